"""Whole texts -> features for an encoder-decoder, which learns from a text by mending it.

With T5's sentinel tokens by span corruption (Raffel et al. 2020, 1910.10683, section 3.3.4): 15 % of the tokens in
spans of 3 on average are taken out, and written by the decoder. With BART's one mask token by text infilling (Lewis et
al. 2020, 1910.13461, section 2.2): 30 % of the tokens, and the decoder writes the whole text.
"""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.models.tokenizer import encode_texts
from pipeline.training.batches import Feature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPAN = 3
CORRUPTED, INFILLED = 0.15, 0.3
# of T5's vocabularies
SENTINELS = 100
Span = tuple[int, int]


def build_denoising_features(
    texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", block_size: int, seed: int
) -> list[Feature]:
    """One feature for each `block_size` tokens of a text; what is taken out of it is drawn by seed.

    Raises:
        InputError: if the tokenizer has neither sentinels nor a mask token.
    """
    sentinels = find_sentinels(tokenizer)
    if not sentinels and tokenizer.mask_token_id is None:
        raise InputError(
            "pretrain.adapt: the model's tokenizer has neither <extra_id_0> nor a mask token, so an encoder-decoder "
            "cannot learn from text without summaries; use method none"
        )
    end, rng = tokenizer.eos_token_id, random.Random(seed)
    features = []
    for ids in encode_texts(tokenizer, texts):
        for start in range(0, len(ids), block_size):
            block = ids[start : start + block_size]
            if len(block) < 2:
                continue
            if sentinels:
                inputs, labels = corrupt(block, draw_spans(len(block), CORRUPTED, rng)[: len(sentinels) - 1], sentinels)
            else:
                inputs, labels = infill(block, draw_spans(len(block), INFILLED, rng), tokenizer.mask_token_id)
            features.append({"input_ids": [*inputs, end], "labels": [*labels, end]})
    return features


def find_sentinels(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """Ids of `<extra_id_0>`, `<extra_id_1>`, … as far as the vocabulary has them."""
    vocabulary = tokenizer.get_vocab()
    names = (f"<extra_id_{i}>" for i in range(SENTINELS))
    return [vocabulary[name] for name in names if name in vocabulary]


def draw_spans(length: int, share: float, rng: random.Random) -> list[Span]:
    """Where spans begin and end that hold `share` of `length` tokens, `SPAN` of them on average, none beside another.

    Both what is taken out and what is kept are cut at random places into parts, which take turns. (In T5's own
    `random_spans_noise_mask` the last span always ends the text, so that of a short text nothing else is ever taken.)
    """
    noise = min(max(round(length * share), 1), length - 1)
    count = min(max(round(noise / SPAN), 1), length - noise)
    # a part of what is kept stands before each span and behind the last; the two outer ones may be empty
    before, *kept = _cut(length - noise + 2, count + 1, rng)
    spans, place = [], before - 1
    for taken, after in zip(_cut(noise, count, rng), kept, strict=True):
        spans.append((place, place + taken))
        place += taken + after
    return spans


def _cut(total: int, parts: int, rng: random.Random) -> list[int]:
    """`total` as a sum of so many whole numbers above 0."""
    ends = [0, *sorted(rng.sample(range(1, total), parts - 1)), total]
    return [end - start for start, end in pairwise(ends)]


def corrupt(ids: Sequence[int], spans: Sequence[Span], sentinels: Sequence[int]) -> tuple[list[int], list[int]]:
    """What is left, a sentinel for each span; and the spans, a sentinel before each and one behind the last.

    >>> corrupt([1, 2, 3, 4, 5], [(1, 2), (3, 5)], [90, 91, 92])
    ([1, 90, 3, 91], [90, 2, 91, 4, 5, 92])
    """
    inputs, labels, place = [], [], 0
    for (start, end), sentinel in zip(spans, sentinels, strict=False):
        inputs += [*ids[place:start], sentinel]
        labels += [sentinel, *ids[start:end]]
        place = end
    return [*inputs, *ids[place:]], [*labels, sentinels[len(spans)]]


def infill(ids: Sequence[int], spans: Sequence[Span], mask: int) -> tuple[list[int], list[int]]:
    """The text with one mask for each span, and the whole text.

    >>> infill([1, 2, 3, 4, 5], [(1, 2), (3, 5)], 90)
    ([1, 90, 3, 90], [1, 2, 3, 4, 5])
    """
    inputs, place = [], 0
    for start, end in spans:
        inputs += [*ids[place:start], mask]
        place = end
    return [*inputs, *ids[place:]], list(ids)
