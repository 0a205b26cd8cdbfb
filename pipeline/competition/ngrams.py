"""Which texts hold a character n-gram: 64-bit hashes in one sorted array.

Up to `LIMIT` n-grams are all indexed. Of more, every second, fourth, … is, chosen by its hash: the same ones in every
text, so that shares can still be counted and memory stays bounded.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.progress import track

NGRAM = 5
# n-grams that are indexed, eight bytes each
LIMIT = 2**24
# a text that holds this share of another's n-grams is nearly its copy
NEAR_COPY = 0.8
# an n-gram that stands in more texts points at nobody
COMMON = 200
# characters of texts that are hashed together
_BATCH = 2**19
# any odd numbers do; the same ones everywhere, for Python's own hash changes from process to process
_FACTORS = np.random.default_rng(5).integers(2**62, 2**63, NGRAM, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def squeeze(text: str) -> str:
    """A text without its white space, filled up to one n-gram."""
    return "".join(text.split()).ljust(NGRAM, "\0")


def hash_ngrams(texts: Sequence[str], skipped: int = 0) -> Iterator[np.ndarray]:
    """The distinct character n-grams of each text as sorted 64-bit hashes; a shorter text is one n-gram.

    Args:
        skipped: keep only hashes that begin with so many zero bits, one in 2 ** `skipped`.
    """
    for squeezed in _build_batches(texts):
        codes = np.frombuffer("".join(squeezed).encode("utf-32-le", "surrogatepass"), np.uint32)
        hashes = _hash_windows(codes.astype(np.uint64))
        end = 0
        for length in map(len, squeezed):
            own = hashes[end : end + length - NGRAM + 1]
            end += length
            yield np.unique(own[own < np.uint64(2 ** (64 - skipped))] if skipped else own)


def _build_batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Squeezed texts, so many together as `_BATCH` holds; one that is longer is alone."""
    batch, size = [], 0
    for text in map(squeeze, texts):
        if batch and size + len(text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _hash_windows(codes: np.ndarray) -> np.ndarray:
    """(characters - n + 1,): a hash of each run of n characters (multiply-add, then the finalizer of splitmix64)."""
    count = len(codes) - NGRAM + 1
    mixed = codes[:count] * _FACTORS[0]
    for place in range(1, NGRAM):
        mixed += codes[place : place + count] * _FACTORS[place]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def compute_share(grams: np.ndarray, seen: np.ndarray) -> float:
    """The share of a text's n-grams that another has too, 0 to 1; both distinct and sorted, as `hash_ngrams` has it."""
    return len(np.intersect1d(grams, seen, assume_unique=True)) / len(grams)


def _join(parts: Iterable[np.ndarray], expected: int) -> np.ndarray:
    """Arrays behind one another, in place: many small arrays take more memory than what is in them."""
    entries, size = np.empty(expected, np.uint64), 0
    for part in parts:
        if size + len(part) > len(entries):
            entries = np.concatenate([entries[:size], np.empty(len(part) + expected // 8, np.uint64)])
        entries[size : size + len(part)] = part
        size += len(part)
    return entries[:size]


class NgramIndex:
    """The texts that hold an n-gram, by number.

    Attributes:
        skipped: n-grams are indexed whose hashes begin with so many zero bits; 0: all.
    """

    def __init__(self, texts: Sequence[str], progress: str):
        total = sum(map(len, texts))
        self.skipped = max(0, (max(total, 1) - 1) // LIMIT).bit_length()
        # a hash and the number of its text are one integer, so one array is sorted in place
        self._bits = np.uint64(max(1, len(texts)).bit_length())
        owned = enumerate(track(hash_ngrams(texts, self.skipped), progress, len(texts)))
        parts = (grams << self._bits | np.uint64(number) for number, grams in owned)
        self._entries = _join(parts, total >> self.skipped)
        self._entries.sort()

    def find(self, grams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each n-gram where its entries begin and end; they are in the order of their texts' numbers."""
        keys = grams << self._bits
        starts = self._entries.searchsorted(keys)
        return starts, self._entries.searchsorted(keys + (np.uint64(1) << self._bits))

    def find_before(self, grams: np.ndarray, number: int) -> np.ndarray:
        """For each n-gram where the entries of texts from `number` on begin."""
        return self._entries.searchsorted(grams << self._bits | np.uint64(number))

    def count_texts(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the texts in some runs of entries, and in how many runs each stands, most frequent first."""
        lengths = ends - starts
        first = np.repeat(starts - (lengths.cumsum() - lengths), lengths)
        found = self._entries[first + np.arange(len(first))] & ((np.uint64(1) << self._bits) - np.uint64(1))
        numbers, counts = np.unique(found.astype(np.int64), return_counts=True)
        order = np.lexsort((numbers, -counts))
        return numbers[order], counts[order]
