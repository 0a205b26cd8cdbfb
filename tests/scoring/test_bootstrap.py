"""The paired bootstrap: intervals that can be checked by hand, and coverage."""

import numpy as np
import pytest

from pipeline.scoring.bootstrap import compute_intervals


def interval(differences, confidence=0.95, resamples=2000, seed=0):
    low, high = compute_intervals(np.array([differences], dtype=float), resamples, confidence, seed)
    return float(low[0]), float(high[0])


def test_constant_difference_has_no_width():
    assert interval([0.25] * 8) == pytest.approx((0.25, 0.25))
    assert interval([0.0] * 8) == (0, 0)


def test_single_example_has_no_width():
    assert interval([-0.5]) == pytest.approx((-0.5, -0.5))


def test_two_examples_give_the_quartiles_of_their_three_means():
    # means 0, 1/2 and 1 with chances 1/4, 1/2 and 1/4
    assert interval([0, 1], confidence=0.9) == (0, 1)
    assert interval([0, 1], confidence=0.4) == (0.5, 0.5)


def test_interval_of_a_fair_coin_is_that_of_the_binomial():
    # 100 tosses: mean 0.5, standard error 0.05
    low, high = interval([0, 1] * 50, resamples=20_000)
    assert low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.011)
    assert high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.011)


def test_more_confidence_is_a_wider_interval():
    values = np.random.default_rng(1).normal(size=50)
    (low50, high50), (low90, high90), (low99, high99) = (interval(values, c) for c in (0.5, 0.9, 0.99))
    assert low99 < low90 < low50 < values.mean() < high50 < high90 < high99


def test_seed_decides_the_draws():
    values = np.random.default_rng(1).normal(size=(3, 50))
    first, again, other = (np.array(compute_intervals(values, 200, 0.9, seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


def test_rows_are_resampled_with_the_same_draws():
    # unpaired draws would give two systems of equal differences unequal intervals, and a shift would not shift them
    values = np.random.default_rng(1).normal(size=40)
    low, high = compute_intervals(np.stack([values, values, values + 1]), 300, 0.9, 0)
    assert low[0] == low[1]
    assert high[0] == high[1]
    assert (low[2], high[2]) == (pytest.approx(low[0] + 1), pytest.approx(high[0] + 1))


def test_interval_of_a_row_does_not_depend_on_the_other_rows():
    values = np.random.default_rng(1).normal(size=(4, 40))
    together = np.array(compute_intervals(values, 300, 0.9, 0))
    alone = np.array(compute_intervals(values[2:3], 300, 0.9, 0))
    assert together[:, 2] == pytest.approx(alone[:, 0])


def test_nine_of_ten_intervals_hold_the_truth():
    # 200 experiments of 60 skewed differences with mean 0.5, each a row of its own
    values = np.random.default_rng(3).gamma(2, 0.25, size=(200, 60))
    low, high = compute_intervals(values, 500, 0.9, 0)
    covered = ((low <= 0.5) & (high >= 0.5)).mean()
    assert 0.82 <= covered <= 0.96


def test_row_that_lacks_examples_is_resampled_with_those_it_has():
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(2, 30))
    part = np.full(30, np.nan)
    part[3:13] = rng.normal(size=10)
    low, high = compute_intervals(np.vstack([whole[0], part, whole[1]]), 500, 0.95, 7)
    expected = compute_intervals(whole, 500, 0.95, 7)
    assert (low[[0, 2]] == expected[0]).all()
    assert (high[[0, 2]] == expected[1]).all()
    assert (low[1], high[1]) == tuple(end[0] for end in compute_intervals(part[None, 3:13], 500, 0.95, 7))
    assert np.isnan(compute_intervals(np.full((1, 4), np.nan), 10, 0.9, 0)).all()


def test_draws_in_parts_are_the_same_draws(monkeypatch):
    differences = np.random.default_rng(1).normal(size=(3, 50))
    whole = compute_intervals(differences, 101, 0.95, 7)
    monkeypatch.setattr("pipeline.scoring.bootstrap._CELLS", 50 * 7)
    parts = compute_intervals(differences, 101, 0.95, 7)
    assert np.allclose(whole, parts, rtol=0, atol=1e-15)
