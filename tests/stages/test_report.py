"""report: a whole page of whatever a run left, and nothing in it that is not text."""

import json
import re
from dataclasses import replace

import pytest
from builders import build_results, build_rows

from pipeline.errors import InputError
from pipeline.params.section import Section
from pipeline.reporting.page import embed_json, flatten_sections
from pipeline.reporting.results import Ledger, Submission
from pipeline.stages.report import report

SECTIONS = (
    *("verdict", "leaderboard", "axes", "training", "lengths", "repetition", "baselines", "examples", "data"),
    *("ledger", "params"),
)
EVIL = "</script><script>window.planted = true</script><img src=x onerror='window.planted = true'>"


@pytest.fixture
def params(make_params):
    return make_params(**{"score.resamples": 100})


def list_sections(html):
    return re.findall(r'<section id="(\w+)"', html)


def test_page_shows_every_section_that_there_is_something_for(params):
    cut = {"documents": 6, "tokens_median": 7, "tokens_max": 9, "documents_cut": 0, "tokens_cut_share": 0.0}
    details = {"preprocess": {"truncation": {"train": cut}}, "train": {"steps": 20}}
    submission = Submission("submissions/submission.csv", "abcdef0123456789", 4321)
    ledger = Ledger(build_rows((0.4, 0.3), (0.5, 0.4)), ["for the final: b"])
    made = report(build_results(details=details, submission=submission, ledger=ledger), params)
    assert tuple(list_sections(made.html)) == SECTIONS
    for text in ("submissions/submission.csv", "for the final: b", "greedy/no_repeat_ngram_size:0", "4,321 bytes"):
        assert text in made.html
    assert made.axes["value"].tolist() == ["0", "3"]


def test_page_of_a_run_that_left_little_says_less(params):
    results = build_results(grid=["greedy"])
    own = results.board["kind"] == "configuration"
    board = results.board[own].drop(columns=["rep2", "length_ratio"])
    scores = results.scores[results.scores["kind"] == "configuration"]
    little = replace(results, board=board, scores=scores, history=results.history.head(0))
    html = report(little, params).html
    assert list_sections(html) == ["verdict", "leaderboard", "examples", "data", "ledger", "params"]
    assert "No submission is written yet" in html
    assert "Nothing is listed yet" in html
    # links lead somewhere
    assert {link[1:] for link in re.findall(r'href="(#\w+)"', html)} == set(list_sections(html))


def test_whatever_stands_in_data_is_text(params):
    results = build_results()
    name = f"external{EVIL}"
    board, scores = (frame.replace({"name": {"lead-1": name}}) for frame in (results.board, results.scores))
    scores = scores.replace({"id": {"d001": EVIL}})
    scores["text"] += EVIL + "\u2028"
    examples = results.examples.replace({"id": {"d001": EVIL}}).assign(text=EVIL)
    removed = results.removed.reindex([0]).fillna(EVIL)
    ledger = Ledger([row | {"name": EVIL} for row in build_rows((0.4, 0.3))], [EVIL])
    given = {"details": {"train": {"steps": EVIL}}, "environment": {"device": EVIL}, "ledger": ledger}
    evil = build_results(board=board, scores=scores, examples=examples, removed=removed, **given)
    html = report(evil, params).html
    # the page's own data and script, and nothing else that begins or ends one
    assert len(re.findall(r"<script", html)) == len(re.findall(r"</script", html)) == 2
    assert "<img" not in html
    data = json.loads(re.search(r'<script type="application/json" id="browser">(.*?)</script>', html, re.S)[1])
    assert EVIL in data["texts"]
    assert "\u2028" not in html


def test_embedded_json_holds_no_character_that_html_or_javascript_reads():
    embedded = embed_json({"a": "<>&'\u2028\u2029가"})
    assert not set(embedded) & set("<>&'\u2028\u2029")
    assert json.loads(embedded) == {"a": "<>&'\u2028\u2029가"}


def test_page_asks_for_nothing_from_elsewhere(params):
    html = report(build_results(), params).html
    assert not re.findall(r"""(?:src|href)=["'](?!#)|url\(|@import|https?://""", html)
    assert "default-src 'none'" in html.replace("&#39;", "'")


def test_same_results_make_the_same_page(params):
    assert report(build_results(), params).html == report(build_results(), params).html


def test_sections_of_params_are_shown_as_yaml_has_them():
    found = flatten_sections({"seed": 42, "decode": {"grid": {"beam": {"n": [1, 2]}}, "engine": "auto"}, "empty": {}})
    assert found == [
        ("seed", [("", "42")]),
        ("decode", [("grid.beam.n", "[1, 2]"), ("engine", "auto")]),
        ("empty", [("", "{}")]),
    ]


def test_every_param_is_on_the_page(params):
    html = report(build_results(), params).html
    assert all(f"<summary>{name}</summary>" in html for name, section in params if isinstance(section, Section))


def test_files_of_different_runs_are_refused(params):
    results = build_results()
    with pytest.raises(InputError) as refused:
        report(replace(build_results(documents=7), scores=results.scores, selection={"name": "gone"}), params)
    assert len(refused.value.mistakes) == 2
    assert "leaderboard.csv has no row 'gone'" in refused.value.mistakes[0]
    assert "other documents" in refused.value.mistakes[1]
