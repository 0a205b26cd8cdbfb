"""Which texts hold an n-gram, of characters or of words: 64-bit hashes in one sorted array.

Up to `LIMIT` n-grams are all indexed. Of more, every second, fourth, … is, chosen by its hash: the same ones in every
text, so that shares can still be counted and memory stays bounded.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np

from pipeline.progress import track

NGRAM, WORD_NGRAM = 5, 8
# n-grams that are indexed, eight bytes each
LIMIT = 2**24
# a text that holds this share of another's n-grams is nearly its copy
NEAR_COPY = 0.8
# an n-gram that stands in more texts points at nobody
COMMON = 200
# characters, or words, of texts that are hashed together
_BATCH = 2**19
# any odd numbers do; the same ones everywhere, for Python's own hash changes from process to process
_FACTORS = np.random.default_rng(5).integers(2**62, 2**63, WORD_NGRAM, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Unit:
    """What n-grams are made of.

    Attributes:
        n: units in an n-gram.
        split: a text's units, a string or a list of words.
        encode: (units,) 64-bit codes of the units of some texts, one after the other.
        count: a text's units, counted before any n-gram is made.
    """

    n: int
    split: Callable[[str], Any]
    encode: Callable[[Sequence[Any]], np.ndarray]
    count: Callable[[str], int]


def squeeze(text: str) -> str:
    """A text without its white space, filled up to one n-gram."""
    return "".join(text.split()).ljust(NGRAM, "\0")


def split_words(text: str) -> list[str]:
    """The lower-cased alphanumeric words of a text, as GPT-2's authors have them (Radford et al. 2019, section 4)."""
    return _WORD.findall(text.lower())


def _encode_characters(squeezed: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(squeezed).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)


def _encode_words(texts: Sequence[list[str]]) -> np.ndarray:
    return np.fromiter(map(_hash_word, chain.from_iterable(texts)), np.uint64, sum(map(len, texts)))


@lru_cache(maxsize=2**17)
def _hash_word(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


# white space apart; a text of fewer characters is one n-gram
CHARACTERS = Unit(NGRAM, squeeze, _encode_characters, len)
# a text of fewer words has no n-gram
WORDS = Unit(WORD_NGRAM, split_words, _encode_words, lambda text: len(split_words(text)))


def hash_ngrams(texts: Iterable[str], skipped: int = 0, unit: Unit = CHARACTERS) -> Iterator[np.ndarray]:
    """The distinct n-grams of each text as sorted 64-bit hashes.

    Args:
        skipped: keep only hashes that begin with so many zero bits, one in 2 ** `skipped`.
    """
    for batch in _build_batches(map(unit.split, texts)):
        hashes = _hash_windows(unit.encode(batch), unit.n)
        end = 0
        for length in map(len, batch):
            own = hashes[end : max(end, end + length - unit.n + 1)]
            end += length
            yield np.unique(own[own < np.uint64(2 ** (64 - skipped))] if skipped else own)


def _build_batches(texts: Iterable[Any]) -> Iterator[list[Any]]:
    """Texts in their units, so many together as `_BATCH` holds; one that is longer is alone."""
    batch, size = [], 0
    for text in texts:
        if batch and size + len(text) > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _hash_windows(codes: np.ndarray, n: int) -> np.ndarray:
    """(units - n + 1,): a hash of each run of n units (multiply-add, then the finalizer of splitmix64)."""
    count = max(len(codes) - n + 1, 0)
    mixed = codes[:count] * _FACTORS[0]
    for place in range(1, n):
        mixed += codes[place : place + count] * _FACTORS[place]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def compute_share(grams: np.ndarray, seen: np.ndarray) -> float:
    """The share of a text's n-grams that another has too, 0 to 1; both distinct and sorted, as `hash_ngrams` has it."""
    return len(np.intersect1d(grams, seen, assume_unique=True)) / len(grams)


def compute_jaccard(grams: np.ndarray, others: np.ndarray) -> float:
    """The share of two texts' n-grams that both have, 0 to 1; both distinct and sorted, as `hash_ngrams` has them."""
    shared = len(np.intersect1d(grams, others, assume_unique=True))
    return shared / (len(grams) + len(others) - shared)


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

    def __init__(self, texts: Sequence[str], progress: str, unit: Unit = CHARACTERS):
        total = sum(map(unit.count, texts))
        self.skipped = max(0, (max(total, 1) - 1) // LIMIT).bit_length()
        # a hash and the number of its text are one integer, so one array is sorted in place
        self._bits = np.uint64(max(1, len(texts)).bit_length())
        owned = enumerate(track(hash_ngrams(texts, self.skipped, unit), progress, len(texts)))
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
        numbers, counts = np.unique(self.get_texts(list_places(starts, ends)), return_counts=True)
        order = np.lexsort((numbers, -counts))
        return numbers[order], counts[order]

    def __len__(self) -> int:
        """The number of entries: distinct n-grams, counted for each text that holds them."""
        return len(self._entries)

    def get_texts(self, places: np.ndarray | slice) -> np.ndarray:
        """The numbers of the texts of some entries."""
        return (self._entries[places] & ((np.uint64(1) << self._bits) - np.uint64(1))).astype(np.int64)


def list_places(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The places of the entries in some runs, run after run."""
    lengths = ends - starts
    first = np.repeat(starts - (lengths.cumsum() - lengths), lengths)
    return first + np.arange(len(first))
