"""Attention over shared prefixes equals attention over each row's own copy of everything."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoding.attention import SharedPrefixCache

HEADS, SIZE = 2, 4


def build_pair(documents, tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(documents, HEADS, tokens, SIZE, generator=generator) for _ in range(2))


def fill(cache, lengths, seed=0):
    """Documents of random keys and values, garbage in the padding."""
    pair = build_pair(len(lengths), max(lengths), seed)
    cache.admit([pair], [pair], lengths, 0)
    return pair


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("lengths", [[5, 3, 1], [4, 4, 4], [0, 2, 6]])
def test_one_softmax_over_prefix_and_suffix(group, lengths):
    cache = SharedPrefixCache(6, False)
    prefix = fill(cache, lengths)
    cache.arrange([-1] * 5, 0)
    documents, kept = [2, 0, 0, 1, 2], [[] for _ in range(5)]
    for step in range(3):
        # rows are one, two and three tokens old
        cache.begin(documents, [len(own) for own in kept])
        new = [t[:, :, 0] for t in build_pair(5, 1, 7 + step)]
        query = torch.randn(5, HEADS * group, SIZE, generator=torch.Generator().manual_seed(step))
        output = cache.attend(0, query, tuple(new), None)
        for row, document in enumerate(documents):
            kept[row].append([t[row] for t in new])
            keys, values = (
                torch.cat([prefix[i][document, :, : lengths[document]], torch.stack([p[i] for p in kept[row]], 1)], 1)
                for i in range(2)
            )
            for head in range(HEADS * group):
                weights = torch.softmax(keys[head // group] @ query[row, head], -1)
                torch.testing.assert_close(output[row, head], weights @ values[head // group])
        # the third row begins anew, beside older ones
        cache.arrange([0, 1, -1, 3, 4], 3)
        kept[2] = []


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.lists(st.integers(-1, 5), min_size=1, max_size=8), min_size=1, max_size=6))
def test_every_row_has_its_parents_suffix(generations):
    cache = SharedPrefixCache(8, False)
    fill(cache, [2])
    histories: list[list[int]] = []
    for number, wanted in enumerate(generations):
        parents = [p if 0 <= p < len(histories) else -1 for p in wanted]
        filled = max((len(h) for h in histories), default=0)
        places = cache.arrange(parents, filled)
        assert sorted(places) == list(range(len(parents)))
        next_histories: list[list[int]] = [[]] * len(parents)
        for place, parent in zip(places, parents, strict=True):
            next_histories[place] = [] if parent < 0 else histories[parent]
        cache.begin([0] * len(parents), [len(h) for h in next_histories])
        marks = torch.tensor([100.0 * number + place for place in range(len(parents))])
        new = marks[:, None, None].expand(-1, HEADS, SIZE)
        cache.attend(0, torch.zeros(len(parents), HEADS, SIZE), (new, new), None)
        histories = [[*h, int(mark)] for h, mark in zip(next_histories, marks.tolist(), strict=True)]
        for place, history in enumerate(histories):
            assert cache.suffix[0][0][place, 0, : len(history), 0].tolist() == history


def test_first_child_stays_where_its_parent_was():
    # most rows have one child, and nothing is copied for it
    cache = SharedPrefixCache(4, False)
    fill(cache, [2])
    cache.arrange([-1] * 4, 0)
    assert cache.arrange([3, 2, 1, 0], 1) == [3, 2, 1, 0]
    assert cache.arrange([1, 1, 3], 1) == [1, 0, 2]


def test_last_document_takes_the_place_of_one_that_leaves():
    cache = SharedPrefixCache(4, False)
    prefix = fill(cache, [3, 2, 1])
    assert cache.release(0) == 2
    assert cache.prefix_lengths == [1, 2]
    assert torch.equal(cache.prefix[0][0][0, :, :1], prefix[0][2, :, :1])
    fill(cache, [5], seed=3)
    assert cache.prefix_lengths == [1, 2, 5]
    assert cache.release(2) == 2
