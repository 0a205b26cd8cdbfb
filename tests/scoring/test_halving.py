"""Successive halving: what it spends, whom it drops, and that it finds a good one."""

import numpy as np
import pytest

from pipeline.scoring.halving import FEWEST, count_next_documents, race, select_survivors


def run_race(means, costs, documents=240, share=1 / 3, spread=0.15, seed=0):
    """A race over made-up scores: place by place the survivors, the share of rows spent, and the mean scores."""
    generator = np.random.default_rng(seed)
    shared, own = generator.normal(0, 0.2, documents), generator.normal(0, spread, (len(means), documents))
    scores = np.array(means)[:, None] + shared + own
    spent = 0

    def run(numbers, places):
        nonlocal spent
        spent += len(numbers) * sum(costs[place] for place in places)
        texts = [[f"{place}-{number}" for number in numbers] for place in places]
        return scores[np.ix_(places, numbers)], texts

    alive, rounds = race(costs, documents, share, seed, run)
    return alive, rounds, spent / documents / sum(costs), scores.mean(axis=1)


@pytest.mark.parametrize(
    ("costs", "share"),
    [([1] * 24, 0.25), ([1] * 12 + [4] * 12, 1 / 3), ([1] * 12 + [4] * 12, 0.6), ([1, 8] * 48, 0.2), ([1] * 200, 0.15)],
)
def test_budget_is_kept_and_used(costs, share):
    _, rounds, spent, _ = run_race(np.linspace(0.4, 0.5, len(costs)), costs, share=share)
    assert 0.5 * share < spent <= share
    assert rounds[-1].documents == 240
    assert [len(one.means) for one in rounds] == sorted((len(one.means) for one in rounds), reverse=True)


def test_what_is_left_is_nearly_the_best():
    lost = []
    for seed in range(40):
        alive, _, _, means = run_race(np.linspace(0.40, 0.46, 24), [1] * 12 + [4] * 12, seed=seed)
        lost.append(means.max() - means[alive].max())
    # picked blindly, the best of three of 24 would lose 0.015 on average
    assert np.mean(lost) < 0.005


def test_small_grid_is_compared_on_enough_documents_whatever_it_takes():
    assert run_race([0.4, 0.9], [1, 1], share=0.1)[1:3] == run_race([0.4, 0.9], [1, 1], share=0.9)[1:3]
    alive, rounds, spent, _ = run_race([0.50, 0.51, 0.2, 0.52], [1, 4, 1, 6], share=0.1)
    assert rounds[0].documents == FEWEST
    assert set(alive) <= {0, 1, 3}
    assert rounds[-1].documents == 240
    assert spent > 0.1


def test_small_validation_and_one_configuration_need_no_race():
    assert run_race([0.3], [4], documents=5)[0] == [0]
    alive, rounds, spent, _ = run_race([0.3, 0.4, 0.5], [1, 1, 1], documents=FEWEST)
    assert (alive, len(rounds), spent) == ([0, 1, 2], 1, 1.0)
    assert count_next_documents([1, 1, 1], 40, 3, 0.0) == 3
    assert count_next_documents([1, 1, 1], 0, 300, 0.0) == FEWEST


def test_order_of_documents_does_not_decide():
    # the file begins with documents on which the worst one shines
    steady = np.linspace(0.45, 0.55, 240)
    scores = np.stack([np.array([1.0] * 30 + [0.2] * 210), *(steady + place / 100 for place in range(7))])
    run = lambda numbers, places: (scores[np.ix_(places, numbers)], [[f"{p}{n}" for n in numbers] for p in places])  # noqa: E731
    assert 0 not in race([1] * 8, 240, 0.5, 3, run)[0]


def test_equal_writers_are_followed_once_and_the_cheapest_stands_for_them():
    scores = np.array([[0.5, 0.6], [0.5, 0.6], [0.1, 0.2], [0.4, 0.6]])
    summaries = [["a", "b"], ["a", "b"], ["c", "d"], ["e", "b"]]
    assert select_survivors(scores, summaries, [4, 1, 1, 1], 0) == [1, 3]


def test_worse_beyond_noise_is_dropped_even_from_the_better_half():
    steady = np.linspace(0.4, 0.6, 20)
    scores = np.stack([steady, steady - 0.001, steady - 0.2, steady - 0.3, steady - 0.3, steady - 0.3])
    texts = [[f"{place}{n}" for n in range(20)] for place in range(6)]
    assert select_survivors(scores, texts, [1] * 6, 0) == [0]
    noisy = scores + np.random.default_rng(0).normal(0, 0.5, scores.shape)
    assert len(select_survivors(noisy, texts, [1] * 6, 0)) == 3
