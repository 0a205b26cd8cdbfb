"""How much of one text stands in others, by character n-grams, in time linear in the number of characters."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.competition.ngrams import COMMON, NEAR_COPY, NgramIndex, compute_share, hash_ngrams
from pipeline.progress import track


def compute_overlaps(train: Sequence[str], others: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int | float]]:
    """How much of other documents stands in the training documents already, by character n-grams.

    A high share means that validation or test rewards memory. Of a very large training set a part of the n-grams is
    looked at (`pipeline.competition.ngrams`): `ngram_share` is then an estimate, and `near_copies` a lower bound.

    Args:
        others: documents by the name of their split.

    Returns:
        For each split `exact_copies`, `near_copies` (documents of which at least `NEAR_COPY` of the n-grams stands in
        one single training document) and `ngram_share` (mean share of n-grams that stand in any).
    """
    index = NgramIndex(train, "overlap: indexing train")
    # of the others there are fewer, so theirs are kept
    known = {text for texts in others.values() for text in texts}
    copied = {text for text in train if text in known}
    return {
        name: {
            "exact_copies": sum(text in copied for text in texts),
            **_compare(train, index, texts, f"overlap: comparing {name}"),
        }
        for name, texts in others.items()
    }


def _compare(train: Sequence[str], index: NgramIndex, texts: Sequence[str], progress: str) -> dict[str, int | float]:
    near, shares = 0, []
    for text, grams in zip(track(texts, progress), hash_ngrams(texts, index.skipped), strict=True):
        starts, ends = index.find(grams)
        if len(grams):
            shares.append(float((ends > starts).mean()))
        near += _is_near_copy(text, train, index, starts, ends)
    return {"near_copies": near, "ngram_share": round(sum(shares) / max(len(shares), 1), 4)}


def _is_near_copy(text: str, train: Sequence[str], index: NgramIndex, starts: np.ndarray, ends: np.ndarray) -> bool:
    """Whether one of the three training documents that share most with a text holds `NEAR_COPY` of it.

    N-grams that stand in more than `COMMON` training documents are not counted towards a source, so the answer is a
    lower bound on text made of set phrases; it keeps the time linear.
    """
    rare = ends - starts <= COMMON
    numbers, _ = index.count_texts(starts[rare], ends[rare])
    if not len(numbers):
        return False
    own, *theirs = hash_ngrams([text, *(train[number] for number in numbers[:3])])
    return any(compute_share(own, grams) >= NEAR_COPY for grams in theirs)
