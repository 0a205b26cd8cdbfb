"""What usually stands behind a score that drops: summaries that repeat themselves, or that only copy."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pipeline.scoring.rouge.comparison import Profile

# the chain of more summaries than this has too many tokens to be solved in a second
CHAINED = 300
# of an inverse that are computed together
_COLUMNS = 256


def compute_repetition(tokens: Sequence[int], n: int) -> float:
    """rep-n: the share of a summary's n-grams that stand in it already, 0 to 1 (Welleck et al. 2020, 1908.04319)."""
    total = len(tokens) - n + 1
    return 1 - len(_list_ngrams(tokens, n)) / total if total > 0 else 0.0


def compute_distinct(many: Sequence[Sequence[int]], n: int) -> float:
    """distinct-n: different n-grams of all summaries over all there are, 0 to 1 (Li et al. 2016, N16-1014).

    Low where every document gets the same phrases.
    """
    total = sum(max(len(tokens) - n + 1, 0) for tokens in many)
    return len(set().union(*(_list_ngrams(tokens, n) for tokens in many))) / total if total else 0.0


def compute_return_rate(many: Sequence[Sequence[int]]) -> float:
    """Average repetition probability (Fu et al. 2021, arXiv 2012.14660) of the first-order Markov chain that the
    summaries make: how often a chain that begins at a token comes back to it, on average over the tokens.

    With P the probabilities to go from token to token, where a summary's end leaves the chain, that is
    tr(P + P² + P³ ...) / n = tr(P (I - P)⁻¹) / n: 0 without any loop, above 1 where loops are hard to leave. Made of
    the first summaries, as many as `CHAINED`, so only to be compared among rows on the same documents.
    """
    returns = compute_returns(many)
    return sum(returns.values()) / len(returns) if returns else 0.0


def compute_returns(many: Sequence[Sequence[int]]) -> dict[int, float]:
    """By token of the first `CHAINED` summaries, how often their chain comes back to it: see `compute_return_rate`."""
    chained = [tokens for tokens in many[:CHAINED] if len(tokens)]
    places = {token: place for place, token in enumerate(dict.fromkeys(t for tokens in chained for t in tokens))}
    if not places:
        return {}
    counts = np.bincount([places[token] for tokens in chained for token in tokens])
    steps = [(places[a], places[b]) for tokens in chained for a, b in pairwise(tokens)]
    # a token that nothing leads to, or that leads nowhere, is on no loop
    inner, before = np.array(steps, np.int64).reshape(-1, 2), -1
    while len(inner) != before:
        before = len(inner)
        inner = inner[np.isin(inner[:, 0], inner[:, 1]) & np.isin(inner[:, 1], inner[:, 0])]
    looping, numbers = np.unique(inner, return_inverse=True)
    leaving, reached = numbers.reshape(-1, 2).T
    returned = _count_visits(leaving, reached, 1 / counts[looping]) - 1
    by_place = dict(zip(looping.tolist(), returned.tolist(), strict=True))
    return {token: by_place.get(place, 0.0) for token, place in places.items()}


def _count_visits(leaving: np.ndarray, reached: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(tokens,) the diagonal of (I - P)⁻¹, of a chain with few of all the steps that there could be.

    Args:
        leaving, reached: (steps,) tokens between which the chain goes; the more often, the likelier.
        weights: (tokens,) what one step from a token adds to a probability.
    """
    from scipy.sparse import coo_array, eye_array
    from scipy.sparse.linalg import splu

    visits = np.empty(len(weights))
    if not len(visits):
        return visits
    chain = coo_array((weights[leaving], (leaving, reached)), shape=(len(visits), len(visits)))
    # of longer texts, factors in SuperLU's usual order fill up; no pivot is needed, for a row's steps sum to 1 at most
    symmetric = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0, "options": {"SymmetricMode": True}}
    factors = splu((eye_array(len(visits)) - chain).tocsc(), **symmetric)
    for start in range(0, len(visits), _COLUMNS):
        places = np.arange(start, min(start + _COLUMNS, len(visits)))
        columns = np.zeros((len(visits), len(places)))
        columns[places, np.arange(len(places))] = 1
        visits[places] = factors.solve(columns)[places, np.arange(len(places))]
    return visits


def compute_copied(summary: Profile, document: Profile) -> float:
    """The share of a summary's bigrams that stand in its document, 0 to 1: what is not "novel" in See et al. 2017
    (P17-1099)."""
    ours, theirs = _list_ngrams(summary.tokens, 2), _list_ngrams(document.tokens, 2)
    return len(ours & theirs) / len(ours) if ours else 0.0


def _list_ngrams(tokens: Sequence[int], n: int) -> set[tuple[int, ...]]:
    return set(zip(*(tokens[i:] for i in range(n)), strict=False))
