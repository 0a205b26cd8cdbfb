"""Progress in a log: silence for short work, a line now and then for long."""

import pytest

from pipeline import progress
from pipeline.progress import Pace, describe_pace, track


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when they are told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("done", "total", "rate", "line"),
    [
        (120, 2000, 0.5, "train: 120 of 2,000 (6%), 2.0 s each, 1 h 03 min left"),
        (1500, 2000, 25.0, "train: 1,500 of 2,000 (75%), 25.0 a second, <1 min left"),
        (1000, 4000, 10.0, "train: 1,000 of 4,000 (25%), 10.0 a second, 5 min left"),
        (7, None, 3.0, "train: 7, 3.0 a second"),
        (0, 10, 0.0, "train: 0 of 10 (0%), nothing yet"),
    ],
)
def test_line_says_how_far_how_fast_and_how_long(done, total, rate, line):
    assert describe_pace("train", done, total, rate) == line


def test_short_work_is_silent_and_long_work_speaks_once_a_minute(clock, capsys):
    taken = []
    for item in track(range(6), "score"):
        taken.append(item)
        clock[0] += 30
    assert taken == [0, 1, 2, 3, 4, 5]
    assert capsys.readouterr().err.splitlines() == [
        "score: 2 of 6 (33%), 30.0 s each, 2 min left",
        "score: 4 of 6 (67%), 30.0 s each, 1 min left",
    ]
    assert list(track(iter("ab"), "read")) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_what_an_earlier_run_did_is_not_this_ones_speed(clock, capsys):
    pace = Pace("train", 1000, done=900)
    clock[0] += 60
    pace.report(960)
    assert capsys.readouterr().err == "train: 960 of 1,000 (96%), 1.0 a second, 1 min left\n"


def test_of_several_processes_one_speaks(clock, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    pace = Pace("train", 10)
    clock[0] += 61
    pace.report(5)
    assert capsys.readouterr().err == ""
