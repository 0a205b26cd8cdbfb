"""Whole texts -> features that learn from every token: what pretraining reads, where nothing is prompt and answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.models.tokenizer import encode_texts
from pipeline.training.batches import Feature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def build_text_features(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", block_size: int) -> list[Feature]:
    """One feature a block of `build_blocks`; all its tokens but the first are labels."""
    blocks = build_blocks(texts, tokenizer, block_size)
    # nothing can be predicted in a block of one token
    return [{"input_ids": block, "labels": block[1:]} for block in blocks if len(block) > 1]


def build_blocks(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", block_size: int) -> list[list[int]]:
    """The texts as one stream with end-of-text behind each, in blocks of `block_size` tokens; the last is shorter.

    No text is lost and no block is mostly padding, however short the texts are (as GPT-3 was trained, Brown et al.
    2020, appendix B).
    """
    end = tokenizer.eos_token_id
    stream: list[int] = []
    for ids in encode_texts(tokenizer, texts, add_special_tokens=True):
        stream += ids if ids and ids[-1] == end else [*ids, end]
    return [stream[i : i + block_size] for i in range(0, len(stream), block_size)]
