"""Paired bootstrap: how far a difference between two systems could be noise (Koehn 2004, W04-3250)."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# draws that are in memory together, 8 bytes each, and twice; of 100,000 documents all of them take three gigabytes
_CELLS = 2**22


def compute_intervals(
    differences: "np.ndarray", resamples: int, confidence: float, seed: int
) -> "tuple[np.ndarray, np.ndarray]":
    """Percentile intervals of mean differences; every row is resampled with the same draws of examples.

    Args:
        differences: (systems, examples), score of a system minus score of the best, example by example; NaN where a
            system has no score. What has scores of the same examples is resampled together.
        resamples: draws of as many examples as there are, with replacement.

    Returns:
        `(low, high)`, each (systems,).
    """
    import numpy as np

    known = np.isfinite(differences)
    if not known.all():
        low, high = np.full((2, len(differences)), np.nan)
        for mask in filter(np.any, np.unique(known, axis=0)):
            rows = (known == mask).all(axis=1)
            low[rows], high[rows] = compute_intervals(differences[rows][:, mask], resamples, confidence, seed)
        return low, high
    examples = differences.shape[1]
    # one matrix product instead of resamples x systems means
    means = np.concatenate([differences @ counts.T for counts in _draw(examples, resamples, seed)], axis=1) / examples
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=1)
    return low, high


def _draw(examples: int, resamples: int, seed: int) -> "Iterable[np.ndarray]":
    """How often each example is drawn, (some of the resamples, examples) at a time."""
    step = max(_CELLS // examples, 1)
    return _draw_once(examples, resamples, seed) if step >= resamples else _draw_parts(examples, resamples, seed, step)


@lru_cache(maxsize=1)
def _draw_once(examples: int, resamples: int, seed: int) -> "list[np.ndarray]":
    # hundreds of experiments are compared on the same documents
    return list(_draw_parts(examples, resamples, seed, resamples))


def _draw_parts(examples: int, resamples: int, seed: int, step: int) -> "Iterator[np.ndarray]":
    import numpy as np

    generator = np.random.default_rng(seed)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        yield generator.multinomial(examples, np.full(examples, 1 / examples), size=size)


def is_noise(low: float, high: float) -> bool:
    """Whether a difference with this interval may well be none."""
    return low <= 0 <= high


def describe_noise(low: float, high: float) -> str:
    """What an interval of a difference says.

    >>> describe_noise(-0.02, 0.01)
    'no more than noise'
    """
    return "no more than noise" if is_noise(low, high) else "more than noise"
