"""The losses of refine against numbers made by hand, and whom their gradients favour."""

import math

import numpy as np
import pytest
import torch

from pipeline.training.candidate_losses import (
    compute_preference_loss,
    compute_ranking_loss,
    compute_risk,
    compute_values,
    estimate_margin,
    find_pairs,
)


def get_gradient(compute, values):
    values = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    compute(values).backward()
    return values.grad.tolist()


def test_values_are_divided_by_length_to_the_penalty():
    sums, lengths = torch.tensor([-8.0, -9.0]), torch.tensor([4.0, 9.0])
    assert compute_values(sums, lengths, 1.0).tolist() == [-2.0, -1.0]
    assert compute_values(sums, lengths, 0.5).tolist() == [-4.0, -3.0]


def test_pairs_that_are_too_close_are_left_out():
    assert find_pairs([0.5, 0.495, 0.3], 0.01) == ([0, 1], [2, 2])
    assert find_pairs([0.5, 0.5], 0.01) == ([], [])
    assert find_pairs([0.5], 0.0) == ([], [])


def test_ranking_loss_is_a_mean_of_hinges_by_distance_in_rank():
    values = torch.tensor([-1.0, -0.5, -3.0])
    # -0.5 + 1 + 0.1; max(0, -3 + 1 + 0.2); max(0, -3 + 0.5 + 0.1)
    loss = compute_ranking_loss(values, find_pairs([0.9, 0.5, 0.1], 0.01), 0.1)
    assert loss.item() == pytest.approx(0.6 / 3)
    assert compute_ranking_loss(values, ([], []), 0.1).item() == 0


def test_ranking_loss_lifts_the_better_and_lowers_the_worse():
    pairs = find_pairs([0.9, 0.1], 0.01)
    assert get_gradient(lambda values: compute_ranking_loss(values, pairs, 0.1), [-2.0, -1.0]) == [-1.0, 1.0]
    # far enough apart already
    assert get_gradient(lambda values: compute_ranking_loss(values, pairs, 0.1), [-1.0, -2.0]) == [0.0, 0.0]


def test_margin_is_the_spread_over_the_ranks():
    spreads = [np.array([-1.0, -3.0, -2.0]), np.array([-1.0, -1.5]), np.array([-2.0]), np.array([-4.0, -1.0])]
    assert estimate_margin(spreads) == pytest.approx(1.0)
    assert estimate_margin([np.array([-2.0])]) == 0.0


def test_risk_is_expected_loss_under_the_sharpened_distribution():
    sums, scores = torch.tensor([math.log(0.6), math.log(0.2)]), torch.tensor([0.5, 0.1])
    assert compute_risk(sums, scores, 1.0).item() == pytest.approx(0.75 * 0.5 + 0.25 * 0.9)
    # to the power of nought all count alike
    assert compute_risk(sums, scores, 1e-9).item() == pytest.approx(0.7)


def test_risk_moves_probability_to_what_scores_above_the_expectation():
    gradient = get_gradient(lambda sums: compute_risk(sums, torch.tensor([0.9, 0.5, 0.1]), 1.0), [-1.0, -1.0, -1.0])
    assert gradient == pytest.approx([-0.4 / 3, 0.0, 0.4 / 3])


def test_preference_loss_is_that_of_dpo():
    before = torch.tensor([-10.0, -10.0])
    assert compute_preference_loss(before, before, 0.1).item() == pytest.approx(math.log(2))
    loss = compute_preference_loss(torch.tensor([-9.0, -11.0]), before, 0.1)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.2)))
    gradient = get_gradient(lambda own: compute_preference_loss(own, before.double(), 0.1), [-10.0, -10.0])
    assert gradient == pytest.approx([-0.05, 0.05])
