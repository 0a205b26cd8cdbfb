"""Consensus: minimum Bayes risk over candidates already decoded (Kumar & Byrne 2004; Eikema & Aziz 2020).

The candidate of highest expected utility under the pool stands for the document; the utility is the competition's own
weighted ROUGE, so what is picked is what the other candidates, taken as references, would score best.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.scoring.rouge.comparison import Rouge, compare

if TYPE_CHECKING:
    import numpy as np


def compute_utilities(texts: Sequence[str], rouge: Rouge, metric_weights: Mapping[str, float]) -> "np.ndarray":
    """(texts, texts): weighted ROUGE F1 of each text against each, from 0 to 1; symmetric, for F1 is.

    Equal texts are compared once, and each pair once.
    """
    import numpy as np

    weights = {metric: weight / sum(metric_weights.values()) for metric, weight in metric_weights.items() if weight}
    profiles = [rouge.build_profile(text) for text in texts]
    # texts that differ in white space alone are one text to ROUGE
    places: dict[tuple[tuple[int, ...], ...], int] = {}
    which = [places.setdefault(tuple(map(tuple, profile.lines)), len(places)) for profile in profiles]
    distinct = [profiles[which.index(place)] for place in range(len(places))]
    table = np.zeros((len(distinct), len(distinct)))
    for i, one in enumerate(distinct):
        for j, other in enumerate(distinct[: i + 1]):
            table[i, j] = table[j, i] = sum(
                weight * compare(one, other, metric).fmeasure for metric, weight in weights.items()
            )
    # a document's candidates are compared with no other document's
    for profile in profiles:
        profile.forget()
    return table[np.ix_(which, which)]


def select_consensus(utilities: "np.ndarray", weights: "np.ndarray | None" = None) -> int:
    """The place of the candidate with the highest weighted mean utility to the others.

    Args:
        utilities: (candidates, candidates), as `compute_utilities` makes them.
        weights: (candidates,), above 0, how much each counts as a reference; None for all alike.

    Returns:
        Of equals the first: the order of the pool decides.
    """
    import numpy as np

    count = len(utilities)
    if count == 1:
        return 0
    weights = np.ones(count) if weights is None else weights
    totals = utilities @ weights - np.diag(utilities) * weights
    means = totals / (weights.sum() - weights)
    # sums in another order differ in their last bits, which must not decide between equals
    return int(np.argmax(means.round(12)))
