"""What is expected of a row on documents that nobody has seen, and which row that chooses."""

import numpy as np
import pytest

from pipeline.scoring.selection import EQUAL, get_family, select_cheapest, select_expected, shrink_means

NAMES = ["beam/a:1", "beam/a:2", "beam/a:3", "beam/a:4", "greedy"]


def draw(gaps, noise, examples=60, seed=0):
    """Scores of rows whose true means differ by `gaps`, on documents that are hard or easy for all alike."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.5, 0.2, examples) + np.array(gaps)[:, None] + rng.normal(0, noise, (len(gaps), examples))


def test_rows_that_only_noise_tells_apart_are_expected_to_score_alike():
    scores = np.concatenate([[draw([0] * 4, 0.1, seed=seed)] for seed in range(200)])
    raw = [one.mean(axis=1).max() - one.mean() for one in scores]
    shrunk = [shrink_means(one, NAMES[:4]).max() - one.mean() for one in scores]
    assert np.mean(shrunk) < np.mean(raw) / 2


def test_rows_that_really_differ_keep_their_means():
    scores = draw([0, 0.1, 0.2, 0.3, 0], 0.01)
    assert shrink_means(scores, NAMES) == pytest.approx(scores.mean(axis=1), abs=1e-3)


def test_expected_scores_come_nearer_to_the_truth_than_means():
    errors = []
    for seed in range(200):
        gaps = np.random.default_rng(seed).normal(0, 0.01, 4)
        scores = draw(gaps, 0.1, seed=1000 + seed)
        hard = scores.mean()
        errors.append(
            [
                np.abs(guess - hard - gaps + gaps.mean()).mean()
                for guess in (scores.mean(1), shrink_means(scores, NAMES[:4]))
            ]
        )
    raw, shrunk = np.mean(errors, axis=0)
    assert shrunk < 0.9 * raw


def test_family_of_one_and_a_single_document_are_left_alone():
    scores = draw([0, 0, 0, 0, 0.2], 0.1)
    assert shrink_means(scores, NAMES)[4] == scores[4].mean()
    assert shrink_means(scores[:, :1], NAMES).tolist() == scores[:, 0].tolist()
    assert shrink_means(np.ones((2, 5)), NAMES[:2]).tolist() == [1, 1]


def test_cost_decides_only_what_is_practically_equal():
    assert select_expected([0.5, 0.5 - EQUAL / 2, 0.4], [4, 1, 1]) == 1
    assert select_expected([0.5, 0.5 - 2 * EQUAL, 0.4], [4, 1, 1]) == 0
    assert select_expected([0.5, 0.5], [1, 1]) == 0


def test_cheapest_is_the_first_of_those_that_noise_does_not_tell_from_the_best():
    assert select_cheapest([0, 0.01, 0.02, -0.1], [4, 2, 2, 1]) == 1


def test_family_is_what_stands_before_the_axes():
    assert [get_family(name) for name in ("beam/a:1", "greedy", "consensus/all")] == ["beam", "greedy", "consensus"]
