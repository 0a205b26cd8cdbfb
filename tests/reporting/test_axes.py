"""The grid's axes: marginal means, paired intervals, two axes together."""

import numpy as np
import pandas as pd
import pytest

from pipeline.reporting.axes import build_heat_maps, compute_axes, split_name

NAMES = [f"beam/num_beams:{b}/length_penalty:{p}" for b in (10, 4) for p in (0.5, 1.0)]


def build_scores(effects, documents=40, noise=0.0):
    """Scores of rows that share each document's difficulty, `effects` above it."""
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.2, 0.8, documents)
    rows = [
        (name, "configuration", f"d{i}", hard[i] + effect + noise * rng.normal())
        for name, effect in effects.items()
        for i in range(documents)
    ]
    return pd.DataFrame(rows, columns=["name", "kind", "id", "score"])


@pytest.fixture
def params(make_params):
    return make_params(**{"score.resamples": 300}).score


def test_documents_that_are_hard_for_all_are_no_noise(params):
    # ten beams are worth 0.03, the penalty nothing; documents differ by twenty times as much
    scores = build_scores(dict(zip(NAMES, (0.03, 0.03, 0.0, 0.0), strict=True)))
    axes = compute_axes(scores, params, 0)
    assert list(zip(axes["axis"], axes["value"], strict=True)) == [
        *(("num_beams", "4"), ("num_beams", "10")),
        *(("length_penalty", "0.5"), ("length_penalty", "1.0")),
    ]
    beams, penalty = axes[axes["axis"] == "num_beams"], axes[axes["axis"] == "length_penalty"]
    assert beams["gap"].tolist() == pytest.approx([0.03, 0.03])
    assert (beams["high"] - beams["low"]).max() < 1e-6
    assert beams["mean"].tolist() == pytest.approx(
        scores.groupby("name")["score"].mean()[[NAMES[2], NAMES[0]]].tolist()
    )
    assert penalty["gap"].abs().max() < 1e-6


def test_interval_of_noise_holds_nothing_and_of_an_effect_does_not(params):
    scores = build_scores(dict(zip(NAMES, (0.1, 0.1, 0.0, 0.0), strict=True)), noise=0.05)
    axes = compute_axes(scores, params, 0).set_index(["axis", "value"])
    low, high = axes.loc[("num_beams", "4"), ["gap_low", "gap_high"]]
    assert 0 < low < 0.1 < high < 0.13
    low, high = axes.loc[("length_penalty", "0.5"), ["gap_low", "gap_high"]]
    assert low < 0.02


def test_families_are_an_axis_and_an_axis_of_one_value_is_none(params):
    scores = build_scores({"greedy": 0.0, "beam/num_beams:4": 0.1, "lead": 0.5})
    scores.loc[scores["name"] == "lead", "kind"] = "baseline"
    axes = compute_axes(scores, params, 0)
    assert axes["label"].tolist() == ["beam", "greedy"]
    assert compute_axes(scores[scores["name"] == "greedy"], params, 0).empty


def test_row_of_the_grid_without_axes_has_none():
    assert split_name("consensus/samples+greedy") == {}


def test_heat_map_has_a_cell_a_pair_and_a_gap_where_no_row_is_left(params):
    scores = build_scores(dict(zip(NAMES[:3], (0.2, 0.1, 0.0), strict=True)))
    (found,) = build_heat_maps(scores, compute_axes(scores, params, 0))
    assert found.axes == ("num_beams", "length_penalty")
    assert found.values == (["4", "10"], ["0.5", "1.0"])
    means = scores.groupby("name")["score"].mean()
    assert found.means == [
        [pytest.approx(means[NAMES[2]]), pytest.approx(means[NAMES[0]])],
        [None, pytest.approx(means[NAMES[1]])],
    ]
