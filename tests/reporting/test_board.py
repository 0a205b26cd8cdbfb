"""The leaderboard's rows and plot, and one row against others."""

import pytest
from builders import build_results

from pipeline.reporting.board import build_board, compute_gains, place_gains


def test_rows_of_any_kind_are_shown_with_the_columns_that_there_are():
    board = build_results().board
    board.loc[1, "kind"] = "reranked"
    found = build_board(board, "greedy/no_repeat_ngram_size:3")
    assert [(row.kind, row.is_chosen) for row in found.rows] == [
        *(("configuration", False), ("reranked", True), ("baseline", False), ("baseline", False))
    ]
    assert [column.key for column in found.columns] == ["expected", "cost", "seconds"]
    assert [column.key for column in found.repetition] == ["length_ratio", "rep2"]
    assert found.rows[0].family == "greedy"
    assert found.rows[0].settings == ["no_repeat_ngram_size 0"]


def test_whisker_reaches_the_best_row_only_where_noise_does():
    board = build_results().board
    board.loc[1, ["difference_low", "difference_high"]] = [-0.08, 0.01]
    board.loc[2, ["difference_low", "difference_high"]] = [-0.12, -0.08]
    found = build_board(board, "lead-1")
    assert found.rows[1].whisker[1] > found.best > found.rows[2].whisker[1]
    low, high = found.rows[1].whisker
    assert (high - found.best) / (found.best - low) == pytest.approx(0.01 / 0.08, abs=0.01)
    assert [row.verdict for row in found.rows[:3]] == [
        "the best of what is decoded here",
        "no more than noise",
        "more than noise",
    ]


def test_row_far_below_does_not_squeeze_the_others():
    board = build_results(grid=[f"beam/num_beams:{n}" for n in range(2, 7)]).board
    board.loc[6, ["score", "difference_low", "difference_high"]] = [-9.0, -9.9, -9.8]
    found = build_board(board, "beam/num_beams:2")
    assert [row.is_cut for row in found.rows] == [False] * 6 + [True]
    assert found.rows[0].point - found.rows[1].point > 5


def test_gain_over_another_row_is_paired(make_params):
    results = build_results()
    (gain,) = compute_gains(
        results.scores,
        "greedy/no_repeat_ngram_size:0",
        ["lead-1", "greedy/no_repeat_ngram_size:0"],
        make_params().score,
        0,
    )
    table = results.scores.pivot(index="id", columns="name", values="score")
    difference = table["greedy/no_repeat_ngram_size:0"] - table["lead-1"]
    assert (gain.over, gain.kind, gain.wins, gain.losses) == ("lead-1", "baseline", 6, 0)
    assert gain.difference == pytest.approx(difference.mean())
    assert difference.min() <= gain.low < gain.high <= difference.max()
    placed, _, zero = place_gains([gain])
    assert zero < placed[0][1]["low"]


def test_row_of_fewer_documents_says_so_and_stands_where_its_difference_puts_it(make_params):
    results = build_results()
    board = results.board.assign(documents=[6, 6, 6, 2])
    last = board.index[-1]
    board.loc[last, ["score", "difference"]] = [0.99, -0.1]
    rows = build_board(board, results.chosen).rows
    assert rows[-1].settings == ["on 2 of 6 documents"]
    assert not any("documents" in text for row in rows[:-1] for text in row.settings)
    assert rows[-1].point < rows[0].point
    few = results.scores[~((results.scores["name"] == rows[-1].name) & results.scores["id"].isin(["d000", "d001"]))]
    params = make_params(**{"score.resamples": 200}).score
    (gain,) = compute_gains(few, results.chosen, [rows[-1].name], params, 0)
    assert gain.wins + gain.losses == 4
    assert gain.low <= gain.difference <= gain.high
