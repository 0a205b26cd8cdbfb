"""Successive halving (Karnin et al. 2013; Jamieson & Talwalkar 2016) over the validation documents.

A large grid is decoded for a few documents, the worse half of its configurations is dropped, what is left is decoded
for some more, and so on: most of the work goes to the configurations among which the choice is hard. All that are
compared have summarized the same documents, so what is compared are differences document by document.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.scoring.bootstrap import compute_intervals

# nobody is dropped before so many documents, for a mean over fewer says nothing; a round adds at least so many
FEWEST, FEWEST_MORE = 20, 8
# followed to the end, so that the last choice is made on all documents
KEPT = 2
# of what may still be spent, what a round takes: the first, which drops most, sees enough to do so
SHARE = 1 / 3
RESAMPLES, CONFIDENCE = 1000, 0.99


@dataclass(frozen=True)
class Round:
    """The documents summarized so far, and the mean score of each place of the grid that was still in the race."""

    documents: int
    means: dict[int, float]


# documents and places of the grid in; (places, documents) scores, and as many summaries, out
Run = Callable[[Sequence[int], Sequence[int]], tuple[np.ndarray, Sequence[Sequence[str]]]]


def race(costs: Sequence[int], documents: int, share: float, seed: int, run: Run) -> tuple[list[int], list[Round]]:
    """The places of the grid that are left when all documents have been summarized, and how it came to that.

    Args:
        costs: rows a document, by place.
        share: of the rows that the whole grid would take for all documents. In a small grid it takes more to see enough
            documents before anybody is dropped, and to follow two configurations to the end.
        seed: of the order of documents, for like ones may follow each other in a file, and of the comparisons.
        run: summarizes documents and scores the summaries.
    """
    left = np.random.default_rng(seed).permutation(documents).tolist()
    budget = share * documents * sum(costs)
    alive = list(range(len(costs)))
    scores, summaries = np.empty((len(costs), 0)), [[] for _ in costs]
    rounds = []
    while left:
        prices = [costs[place] for place in alive]
        count = count_next_documents(prices, scores.shape[1], len(left), budget)
        now, left = left[:count], left[count:]
        budget -= count * sum(prices)
        new_scores, new_summaries = run(now, alive)
        scores = np.concatenate([scores, new_scores], axis=1)
        summaries = [[*old, *new] for old, new in zip(summaries, new_summaries, strict=True)]
        rounds.append(Round(scores.shape[1], dict(zip(alive, scores.mean(axis=1).tolist(), strict=True))))
        if left:
            kept = select_survivors(scores, summaries, prices, seed)
            alive, scores, summaries = [alive[k] for k in kept], scores[kept], [summaries[k] for k in kept]
    return alive, rounds


def count_next_documents(costs: Sequence[int], seen: int, left: int, budget: float) -> int:
    """How many documents the next round decodes.

    A third of the budget, after what the two costliest configurations need for all documents that are left has been put
    aside.

    Args:
        costs: rows a document, by configuration still in the race.
        seen: documents decoded.
        left: documents not yet decoded.
        budget: rows that may still be decoded.

    Returns:
        `left`, if all configurations can afford that, or if they are no more than are followed to the end.
    """
    total, kept = sum(costs), sum(sorted(costs)[-KEPT:])
    if len(costs) <= KEPT or total * left <= budget:
        return left
    fair = int(SHARE * (budget - kept * left) / (total - kept))
    return min(left, max(FEWEST - seen, FEWEST_MORE, fair))


def select_survivors(
    scores: np.ndarray, summaries: Sequence[Sequence[str]], costs: Sequence[int], seed: int
) -> list[int]:
    """The configurations that go on, in the order of the grid: half of them, or two.

    Of configurations that wrote the same for every document the cheapest stands for all. A configuration that is worse
    than the best beyond noise goes even if it is in the better half.

    Args:
        scores: (configurations, documents) so far.
        summaries: as `scores`, what was written.
        costs: (configurations,) rows a document; of equal scores the cheaper is better.
        seed: of the paired bootstrap.
    """
    ranked = sorted(range(len(costs)), key=lambda place: (-scores[place].mean().round(12), costs[place], place))
    distinct: dict[tuple[str, ...], int] = {}
    for place in ranked:
        distinct.setdefault(tuple(summaries[place]), place)
    kept = list(distinct.values())[: max(KEPT, len(ranked) // 2)]
    _, high = compute_intervals(scores[kept] - scores[kept[0]], RESAMPLES, CONFIDENCE, seed)
    return sorted(place for place, limit in zip(kept, high, strict=True) if limit >= 0)
