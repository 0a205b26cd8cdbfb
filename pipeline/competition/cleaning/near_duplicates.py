"""Documents that are nearly others: MinHash finds candidates, their n-grams themselves decide.

MinHash (Broder 1997) signatures of character n-grams through datasketch, in bands (Leskovec, Rajaraman & Ullman, Mining
of Massive Datasets, 3.4): two texts are compared when one band of theirs is equal. The bands are sorted in numpy, 12
bytes a band and text; the dictionaries of `MinHashLSH` take many times that.

Beside `pipeline.competition.splits`: that groups documents of which one holds the other, excerpts too, before the
split, so that they stay on one side of it. Here documents are alike as a whole (Jaccard), for leaving all but one of
them out, or for comparing with texts that were in no split: of other files, or those that cleaning has made alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pipeline.competition.ngrams import NEAR_COPY, compute_jaccard, hash_ngrams
from pipeline.progress import track

# texts of Jaccard similarity s share a band of r values with probability 1 - (1 - s^r)^bands: 0.998 at 0.8, 0.28 at 0.5
BANDS, ROWS = 21, 6
# the permutations' seed: the same signatures in every run
_SEED = 1
# candidates behind one another in a band, and comparisons in vain, before a text is left alone
_DEPTH, _FAILURES = 8, 20
_FACTORS = np.random.default_rng(7).integers(2**62, 2**63, ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True)
class NearCopy:
    """A text, by its number, that is nearly another.

    Attributes:
        number: of the text.
        of: number of the other.
        share: Jaccard similarity of their distinct character n-grams, at least `NEAR_COPY`.
    """

    number: int
    of: int
    share: float


def find_near_duplicates(texts: Sequence[str]) -> list[NearCopy]:
    """Texts that are nearly an earlier one, which is itself no such text: without them, no two of the rest are alike.

    Every copy named is one. What is missed is little: one in 500 pairs at the threshold, fewer above it, and in text
    made of set phrases those behind `_FAILURES` comparisons in vain. Time grows with the number of texts and pairs.
    """
    return _search(texts, ())


def find_near_copies(texts: Sequence[str], known: Sequence[str]) -> list[NearCopy]:
    """Texts that are nearly one of `known`; `NearCopy.of` counts in `known`."""
    return _search(known, texts) if len(texts) else []


def _search(known: Sequence[str], texts: Sequence[str]) -> list[NearCopy]:
    """The near-copies among `texts` of what is known; without `texts`, those among what is known of earlier ones."""
    sources, count = len(known), len(known) + len(texts)
    if not sources:
        return []
    first = sources if len(texts) else 0
    before = _link_bands(_compute_bands(chain(known, texts), count), sources)
    stands_for = np.arange(count)
    candidates = np.flatnonzero((before >= 0).any(axis=0))
    candidates = candidates[candidates >= first].tolist()
    found = []
    for number in track(candidates, "near duplicates: comparing", len(candidates)):
        text = known[number] if number < sources else texts[number - sources]
        for source in _list_candidates(before, stands_for, number):
            ours, theirs = hash_ngrams([text, known[source]])
            if (share := compute_jaccard(ours, theirs)) >= NEAR_COPY:
                found.append(NearCopy(number - first, source, share))
                stands_for[number] = source
                break
    return found


def _compute_bands(texts: Iterable[str], count: int) -> np.ndarray:
    """(bands, texts): a hash of each band of each text's signature."""
    from datasketch import MinHash

    bands = np.empty((BANDS, count), np.uint64)
    hashed = ((grams >> np.uint64(32)).tolist() for grams in hash_ngrams(texts))
    signatures = MinHash.generator(hashed, num_perm=BANDS * ROWS, seed=_SEED, hashfunc=int)
    for number, signature in enumerate(track(signatures, "near duplicates: signing", count)):
        values = signature.hashvalues.astype(np.uint64).reshape(BANDS, ROWS)
        # wraps around; two bands of one hash by chance cost a comparison
        bands[:, number] = (values * _FACTORS).sum(axis=1)
    return bands


def _link_bands(bands: np.ndarray, sources: int) -> np.ndarray:
    """(bands, texts): the nearest earlier text, of the first `sources`, with the same band; -1 where there is none."""
    count = bands.shape[1]
    links = np.empty(bands.shape, np.int32)
    for keys, linked in zip(bands, links, strict=True):
        order = np.argsort(keys, kind="stable")
        # the place of the last source before each place of the order
        places = np.where(order < sources, np.arange(count), -1)
        last = np.concatenate(([-1], np.maximum.accumulate(places)[:-1]))
        is_equal = (last >= 0) & (keys[order[last]] == keys[order])
        linked[order] = np.where(is_equal, order[last], -1)
    return links


def _list_candidates(before: np.ndarray, stands_for: np.ndarray, number: int) -> Iterator[int]:
    """Earlier texts that share a band with a text, those that share most first; one stands for its copies."""
    bands, here, seen = np.arange(BANDS), before[:, number], set()
    for _ in range(_DEPTH):
        bands, here = bands[here >= 0], here[here >= 0]
        candidates, counts = np.unique(stands_for[here], return_counts=True)
        for candidate in candidates[np.argsort(-counts, kind="stable")].tolist():
            if len(seen) == _FAILURES:
                return
            if candidate not in seen:
                seen.add(candidate)
                yield candidate
        here = before[bands, here]
