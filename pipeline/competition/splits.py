"""Who trains and who validates: documents that are nearly the same stay on one side.

Near-duplicates are found by character n-grams, in time linear in the number of characters.
"""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.competition.arrow import Texts, map_texts, separate, take_apart, to_column
from pipeline.competition.cleaning.characters import compose
from pipeline.competition.ngrams import COMMON, NEAR_COPY, NgramIndex, hash_ngrams
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

# texts that a common n-gram points at; comparisons in vain before a text is left alone
_NEIGHBOURS, _FAILURES = 4, 10
_DEVIATIONS = 3


def group_near_copies(texts: Sequence[str]) -> list[int]:
    """For each text the number of its group: texts of which one holds `NEAR_COPY` of the other's n-grams, in turn.

    Equal texts are always together. Every text is compared with the larger ones that share most with it, and time is
    linear: n-grams that stand in more than `COMMON` texts point only at the `_NEIGHBOURS` next in size, and after
    `_FAILURES` texts that are no near-copies a text is left alone. So the groups are a lower bound on text made of set
    phrases, and where only a part of the n-grams is indexed (`pipeline.competition.ngrams`).
    """
    distinct, equals = Texts(texts).sort_distinct()
    sizes = np.fromiter(map(len, hash_ngrams(distinct)), np.int64, len(distinct))
    # in one order, whatever the order of the file; what holds a text has no fewer n-grams
    order = np.argsort(-sizes, kind="stable")
    distinct = distinct.select(order)
    leader = list(range(len(distinct)))

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    index = NgramIndex(distinct, "near-copies: indexing")
    grams = track(hash_ngrams(distinct, index.skipped), "near-copies: comparing", len(distinct))
    for number, own in enumerate(grams):
        failures = 0
        for other in _find_candidates(index, own, number):
            if failures == _FAILURES:
                break
            if find(other) == find(number):
                continue
            if _is_near_copy(distinct[number], distinct[other]):
                leader[find(number)] = find(other)
            else:
                failures += 1
    groups = np.empty(len(distinct), np.int64)
    groups[order] = [find(number) for number in range(len(distinct))]
    return groups[equals].tolist()


def _find_candidates(index: NgramIndex, grams: np.ndarray, number: int) -> list[int]:
    """Numbers of earlier texts that may hold `NEAR_COPY` of a text's n-grams, likeliest first.

    Only the rarer half of the n-grams is looked up: what lacks more than a fifth of all is known by those already.
    """
    starts, ends = index.find(grams)
    rarer = np.argsort(ends - starts, kind="stable")[: (len(grams) + 1) // 2]
    starts, ends, before = starts[rarer], ends[rarer], index.find_before(grams[rarer], number)
    common = ends - starts > COMMON
    starts[common] = np.maximum(starts[common], before[common] - _NEIGHBOURS)
    numbers, counts = index.count_texts(starts, before)
    wanted = NEAR_COPY * len(grams) - (len(grams) - len(rarer)) - common.sum()
    if index.skipped:
        # what a sample of so many n-grams shows may be that much below the truth
        wanted -= _DEVIATIONS * (NEAR_COPY * (1 - NEAR_COPY) * len(grams)) ** 0.5
    return numbers[counts >= wanted].tolist()


def _is_near_copy(text: str, other: str) -> bool:
    ours, theirs = hash_ngrams([text, other])
    shared = len(np.intersect1d(ours, theirs, assume_unique=True))
    return shared >= NEAR_COPY * min(len(ours), len(theirs))


def draw_documents(texts: Sequence[str], fraction: float, rng: random.Random) -> set[str]:
    """Documents to validate on: whole groups of near-copies, drawn whatever the order of the texts.

    Returns:
        The texts that hold `fraction` of the rows, as near as whole groups come; at least one group and never all.

    Raises:
        ValueError: if there are fewer than two groups.
    """
    documents, equals = Texts(texts).sort_distinct()
    groups = _number_by_appearance(group_near_copies(documents))
    sizes = np.bincount(groups[equals]).tolist()
    if len(sizes) < 2:
        raise ValueError("a validation split needs at least two different documents; near-copies count as one")
    wanted = max(1, math.floor(len(texts) * fraction + 0.5))
    # so many as are enough where no document has a near-copy, and then, for where groups are left out, all others
    candidates = rng.sample(range(len(sizes)), min(wanted, len(sizes) - 1))
    chosen = set(candidates)
    others = [group for group in range(len(sizes)) if group not in chosen]
    candidates += rng.sample(others, len(others))
    drawn: list[int] = []
    size = 0
    for group in candidates:
        # taken if that brings the size nearer to what is wanted
        if abs(size + sizes[group] - wanted) < abs(size - wanted) and len(drawn) < len(sizes) - 1:
            drawn.append(group)
            size += sizes[group]
    drawn = drawn or [min(candidates, key=sizes.__getitem__)]
    return set(documents.select(np.flatnonzero(np.isin(groups, drawn))))


def _number_by_appearance(groups: Sequence[int]) -> np.ndarray:
    """Groups numbered from 0 in the order in which their first members stand."""
    numbers: dict[int, int] = {}
    return np.fromiter((numbers.setdefault(group, len(numbers)) for group in groups), np.int64, len(groups))


def assign_folds(examples: "pd.DataFrame", folds: int, seed: int) -> list[int]:
    """For each example its fold, 0 to `folds` - 1.

    Grouped (near-copies share a fold), stratified by the length of summaries, of like sizes, drawn by seed.

    Args:
        examples: `id`, `text`, `summaries`.

    Raises:
        ValueError: if there are fewer groups of near-copies than folds.
    """
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(group_near_copies(Texts(examples["text"]))):
        groups[group].append(place)
    if len(groups) < folds:
        raise ValueError(f"{folds} folds need as many documents that are no near-copies; there are {len(groups)}")
    rng = random.Random(seed)
    lengths = [len(many[0]) for many in examples["summaries"]]
    # shuffled first: sorting is stable, so groups of one length are in an order of chance
    drawn = rng.sample(sorted(groups.values()), len(groups))
    drawn.sort(key=lambda places: sum(lengths[place] for place in places) / len(places))
    sizes, assigned = [0] * folds, [0] * len(examples)
    for start in range(0, len(drawn), folds):
        # every fold gets one of each run of groups with like lengths: the largest group goes where least is
        block = sorted(drawn[start : start + folds], key=len, reverse=True)
        for places, fold in zip(block, sorted(rng.sample(range(folds), folds), key=sizes.__getitem__), strict=False):
            sizes[fold] += len(places)
            for place in places:
                assigned[place] = fold
    return assigned


def split_examples(
    examples: "pd.DataFrame", fraction: float, folds: tuple[int, int] | None, limit: int | None, seed: int
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Draws validation examples by seed, or takes a fold; near-copies stay on one side.

    Args:
        examples: `id`, `text`, `summaries`; at least two documents that are no near-copies.
        fraction: share of the rows to validate on, if there are no folds.
        folds: the fold to validate on, counted from 0, and of how many; None for a single split.
        limit: use only this many rows, drawn by seed.

    Returns:
        `(train, valid)`, each in the order of `examples`.

    Raises:
        ValueError: if fewer different documents are left than the split needs.
    """
    rng = random.Random(seed)
    if limit is not None and limit < len(examples):
        examples = examples.iloc[sorted(rng.sample(range(len(examples)), limit))]
    # composed, so that the split knows NFD copies of a document whether they are composed later or not
    texts = map_texts(examples["text"], lambda part: list(map(compose, part)))
    if folds is not None:
        fold, count = folds
        held_out = np.array(assign_folds(examples.assign(text=to_column(texts)), count, seed)) == fold
    else:
        drawn = draw_documents(Texts(texts), fraction, rng)
        held_out = np.fromiter((text in drawn for text in Texts(texts)), bool, len(examples))
    columns = take_apart(examples)
    # a caller that keeps no name of the frame either lets its memory go on the way
    del examples, texts
    return separate(columns, held_out)
