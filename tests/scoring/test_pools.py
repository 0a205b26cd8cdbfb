"""Pools: what their names mean, and that a row's choice never saw the answer it is scored on."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.params.grid import Configuration
from pipeline.scoring.pools import Utility, build_consensus_rows, build_pool, compute_cross_fitted, list_pools
from pipeline.scoring.rouge.comparison import Rouge

GRID = [
    Configuration("greedy/no_repeat_ngram_size:0", {}),
    Configuration("beam/length_penalty:1.0", {"num_beams": 4, "num_return_sequences": 4}),
    Configuration("wide", {"num_beams": 8}),
    Configuration("nucleus", {"do_sample": True, "num_return_sequences": 6}),
]
MEANS = {GRID[0].name: 0.5, GRID[1].name: 0.7, "wide": 0.6, "nucleus": 0.6}


@pytest.mark.parametrize(
    ("spec", "members"),
    [
        ("all", [0, 1, 2, 3]),
        ("greedy", [0]),
        ("samples", [3]),
        ("samples+greedy", [0, 3]),
        ("top-1", [1]),
        ("top-2", [1, 2]),  # of equals the first in the grid
        ("top-9", [0, 1, 2, 3]),
        ("wide", [2]),
        ("beam", [1]),  # the family, for there is one of this name
    ],
)
def test_pool_is_what_its_name_says_in_the_order_of_the_grid(spec, members):
    pool = build_pool(spec, GRID, MEANS)
    assert pool.name == f"consensus/{spec}"
    assert pool.configurations == [GRID[i] for i in members]
    assert pool.cost == sum([1, 4, 8, 6][i] for i in members)


def test_beam_means_all_beams_where_no_family_has_the_name():
    grid = [Configuration("search", {"num_beams": 4}), GRID[0], GRID[2]]
    assert [c.name for c in build_pool("beam", grid, MEANS).configurations] == ["search", "wide"]


def test_weights_are_the_scores_of_the_pools_configurations():
    assert build_pool("greedy+wide", GRID, MEANS, weighted=True).weights == {GRID[0].name: 0.5, "wide": 0.6}
    assert build_pool("greedy+wide", GRID, MEANS).weights == {}


@pytest.mark.parametrize("spec", ["beems", "top-0", "top-x", "all+nothing"])
def test_unknown_pool_is_refused_with_those_there_are(spec):
    with pytest.raises(InputError, match=r"score\.consensus\.pools: '.*' is no pool; pools: all, greedy, .*nucleus"):
        build_pool(spec, GRID, MEANS)


def build_candidates(texts):
    """One candidate a configuration, `texts` by example and configuration."""
    rows = [(f"a{i}", name, 0, text, True) for i, row in enumerate(texts) for name, text in row.items()]
    return pd.DataFrame(rows, columns=["id", "configuration", "candidate", "text", "finished"])


def test_only_pools_of_three_candidates_and_other_members_are_listed():
    candidates = build_candidates([{c.name: "가" for c in GRID}])
    assert list_pools(["greedy", "top-2", "top-3", "all", "top-4"], candidates, GRID, MEANS) == ["top-3", "all"]


def choose(texts, scores, pools, weighted=False):
    grid = [Configuration(name, {}) for name in scores.columns]
    utility = Utility(Rouge("whitespace"), {"rouge1": 1.0}, grid, 0)
    rows = build_consensus_rows(build_candidates(texts).iloc[::-1], scores, pools, utility, weighted)
    return rows.set_index(["name", "id"])["text"]


def test_consensus_is_taken_example_by_example():
    texts = [{"a": "가 나", "b": "가 나 다", "c": "마"}, {"a": "마", "b": "바 사 자", "c": "바 사"}]
    scores = pd.DataFrame({"a": [0.1, 0.1], "b": [0.2, 0.2], "c": [0.3, 0.3]}, index=["a0", "a1"])
    # the two that agree are as near to each other; the first in the grid stands
    assert choose(texts, scores, ["all"]).tolist() == ["가 나", "바 사 자"]


def test_some_documents_at_a_time_choose_as_all_together(monkeypatch):
    texts = [{name: " ".join("가나다라"[(i * j) % 4] for j in range(2, 6)) + name for name in "abc"} for i in range(5)]
    scores = pd.DataFrame(0.5, index=[f"a{i}" for i in (3, 1, 4, 0, 2)], columns=list("abc"))
    expected = choose(texts, scores, ["all", "top-2"])
    monkeypatch.setattr("pipeline.scoring.pools._TOGETHER", 2)
    pd.testing.assert_series_equal(choose(texts, scores, ["all", "top-2"]), expected)


def test_members_that_depend_on_scores_are_chosen_without_the_example_itself():
    # by its own example a configuration looks best, by the others' it looks worst: leaking would choose it
    count = 10
    texts = [{name: f"{name}{i}" for name in "abcd"} for i in range(count)]
    scores = pd.DataFrame(0.5, index=[f"a{i}" for i in range(count)], columns=list("abcd"))
    scores.loc["a4", "d"] = 100.0
    chosen = choose(texts, scores, ["top-1"])["consensus/top-1"]
    folds = {i for i in range(count) if chosen[f"a{i}"] == f"a{i}"}
    assert 4 in folds  # its own score has no say
    assert {chosen[f"a{i}"] for i in range(count) if i not in folds} == {
        f"d{i}" for i in range(count) if i not in folds
    }
    assert len(folds) == count // 5


def test_cross_fitted_choice_of_pure_noise_is_worth_no_more_than_noise():
    noise = np.random.default_rng(0).normal(size=(40, 200))
    assert noise.mean(axis=1).max() > 0.1
    assert abs(compute_cross_fitted(noise, 0)) < 0.1


def test_cross_fitted_choice_of_a_clear_winner_is_the_winners_score():
    scores = np.stack([np.full(10, 0.3), np.full(10, 0.6)])
    assert compute_cross_fitted(scores, 0) == pytest.approx(0.6)
