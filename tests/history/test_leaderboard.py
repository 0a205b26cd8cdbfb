"""The tables of a terminal: a hundred characters are enough, and --wide tells all."""

import io

import pandas as pd
import pytest
from builders import build_rows
from rich.console import Console

from pipeline.history.leaderboard import WIDTH, render_leaderboard
from pipeline.history.ledger import render_table

NAMES = [
    "beam/length_penalty:0.5/no_repeat_ngram_size:3",
    "nucleus/top_p:0.9/temperature:0.7",
    "consensus/samples+greedy",
]


def build_board(names):
    """A leaderboard whose figures are as wide as any."""
    figures = dict.fromkeys(("score", "rouge1", "rouge2", "rougeL"), 0.7123) | {"difference": -0.01234}
    figures |= {"difference_low": -0.02345, "difference_high": 0.00456, "length_ratio": 12.34, "return_rate": 0.5}
    figures |= {
        name: 0.123 for name in ("rep2", "rep3", "rep4", "whitespace_rouge1", "whitespace_rouge2", "whitespace_rougeL")
    }
    return pd.DataFrame([{"name": name, **figures, "at_cap": 1.0, "cost": 128, "seconds": 1234.0} for name in names])


def print_lines(table, width=300):
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


def test_leaderboard_fits_into_a_hundred_characters_and_cuts_nothing():
    lines = print_lines(render_leaderboard(build_board(NAMES), NAMES[1]))
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) == 2 + len(NAMES)
    assert "beam/lp:0.5/nrns:3" in lines[2]
    assert "-0.012 (-0.023 … +0.005)" in lines[2]
    assert [line.startswith("→") for line in lines[2:]] == [False, True, False]
    # an eighty-column terminal folds a name instead of cutting it
    folded = print_lines(render_leaderboard(build_board(NAMES[:1]), ""), 80)
    assert folded[2].split()[0] + folded[3].split()[0] == "beam/lp:0.5/nrns:3"


def test_wide_names_rows_in_full():
    text = "\n".join(print_lines(render_leaderboard(build_board(NAMES), "", wide=True)))
    assert all(name in text for name in NAMES)
    assert "whitespace 1/2/L" in text


@pytest.mark.parametrize("wide", [False, True])
def test_ledger_fits_too(wide):
    rows = build_rows((0.7123, 0.69), (0.70, ""), names=["submission-seed-7", "submission"])
    whole = {"row": NAMES[0], "validation": "0.7123", "validation_low": "0.7012", "validation_high": "0.7234"}
    whole |= {
        "time": "2026-11-25T16:00:00",
        "git_revision": "a" * 40,
        "dirty": "true",
        "private": "0.7001",
        "sha256": "ab" * 32,
    }
    lines = print_lines(render_table([row | whole for row in rows], wide))
    assert (max(map(len, lines)) <= WIDTH) is not wide
    assert ("aaaaaaa+" in "\n".join(lines)) is wide
    assert "abababab" in lines[-1 if not wide else -2]


def test_row_of_fewer_documents_says_so():
    board = build_board(["greedy", "untuned"]).assign(documents=[400, 64])
    lines = print_lines(render_leaderboard(board, "greedy"))
    assert "untuned (on 64 of 400)" in lines[-1]
    assert "of 400" not in lines[-2]
