"""How much of one text stands in others, by character n-grams, in time linear in the number of characters."""

from collections import Counter
from collections.abc import Sequence

from pipeline.progress import track

OVERLAP_NGRAM = 5
NEAR_COPY = 0.8
COMMON = 200


def list_ngrams(text: str) -> set[str]:
    """The character n-grams of a text without its white space; of a shorter text itself."""
    squeezed = "".join(text.split())
    return {squeezed[i : i + OVERLAP_NGRAM] for i in range(max(len(squeezed) - OVERLAP_NGRAM + 1, 1))}


def compute_share(grams: set[str], seen: set[str]) -> float:
    """The share of n-grams that have been seen, 0 to 1."""
    return len(grams & seen) / len(grams)


def compute_overlap(train: Sequence[str], other: Sequence[str]) -> dict[str, int | float]:
    """How much of other documents stands in the training documents already, by character n-grams.

    A high share means that validation or test rewards memory. Time is linear in the number of characters.
    """
    seen = {gram for text in train for gram in list_ngrams(text)}
    shares = [compute_share(list_ngrams(text), seen) for text in other]
    whole = set(train)
    return {
        "exact_copies": sum(text in whole for text in other),
        "near_copies": _count_near_copies(train, other),
        "ngram_share": round(sum(shares) / max(len(shares), 1), 4),
    }


def _count_near_copies(train: Sequence[str], other: Sequence[str]) -> int:
    """Documents of which at least `NEAR_COPY` of the n-grams stands in one single training document.

    N-grams that stand in more than `COMMON` training documents point at nobody and are not counted towards a source,
    so the answer is a lower bound on text made of set phrases; it keeps the time linear.
    """
    source: dict[int, list[int]] = {}
    for number, text in enumerate(track(train, "overlap: indexing train")):
        for gram in map(hash, list_ngrams(text)):
            source.setdefault(gram, []).append(number)
    count = 0
    for text in track(other, "overlap: comparing"):
        grams = list_ngrams(text)
        shared: Counter[int] = Counter()
        for gram in map(hash, grams):
            if len(numbers := source.get(gram, ())) <= COMMON:
                shared.update(numbers)
        count += any(
            compute_share(grams, list_ngrams(train[number])) >= NEAR_COPY for number, _ in shared.most_common(3)
        )
    return count
