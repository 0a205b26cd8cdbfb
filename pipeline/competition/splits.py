"""Who trains and who validates: documents that are nearly the same stay on one side.

Near-duplicates are found by character n-grams, in time linear in the number of characters.
"""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.competition.overlap import COMMON, NEAR_COPY, list_ngrams

if TYPE_CHECKING:
    import pandas as pd


def group_near_copies(texts: Sequence[str]) -> list[int]:
    """For each text the number of its group: texts of which one holds `NEAR_COPY` of the other's n-grams, in turn.

    N-grams that stand in more than `COMMON` texts point at nobody, which keeps the time linear and makes of the groups
    a lower bound on text made of set phrases; equal texts are always together.
    """
    first: dict[str, int] = {}
    leader = [first.setdefault(text, number) for number, text in enumerate(texts)]

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    source: defaultdict[int, list[int]] = defaultdict(list)
    for text, number in first.items():
        grams = list_ngrams(text)
        hashes = [hash(gram) for gram in grams]
        shared: Counter[int] = Counter()
        for gram in hashes:
            if len(numbers := source[gram]) <= COMMON:
                shared.update(numbers)
                numbers.append(number)
        # not most_common: among equals it goes by the order of a set of strings, which changes from run to run
        for other in heapq.nsmallest(3, shared, key=lambda candidate: (-shared[candidate], candidate)):
            theirs = list_ngrams(texts[other])
            if len(grams & theirs) >= NEAR_COPY * min(len(grams), len(theirs)):
                leader[find(number)] = find(other)
    return [find(number) for number in range(len(texts))]


def assign_folds(examples: "pd.DataFrame", folds: int, seed: int) -> list[int]:
    """For each example its fold, 0 to `folds` - 1.

    Grouped (near-copies share a fold), stratified by the length of summaries, of like sizes, drawn by seed.

    Args:
        examples: `id`, `text`, `summaries`.

    Raises:
        ValueError: if there are fewer groups of near-copies than folds.
    """
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(group_near_copies(list(examples["text"]))):
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
