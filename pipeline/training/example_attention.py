"""Attention of an encoder-decoder's packed rows on a CPU, as `block_attention` makes that of a causal row: a block of
queries at a time, as matrix products, with weights that are computed again in the backward pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.training.block_attention import STEP, fill_up

# queries that meet their keys at once
BLOCK = 128


@dataclass(frozen=True)
class Scores:
    """What is done to scores before they become weights.

    Attributes:
        scale: of a query's product with a key.
        bias: (heads, queries, keys), added, as long as the longest example, without a gradient; or None.
        is_causal: whether a query sees nothing behind itself.
    """

    scale: float
    bias: Tensor | None
    is_causal: bool


def attend_in_examples(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[tuple[int, int]], scores: Scores
) -> Tensor:
    """softmax(scale Q K' + bias) V of each example.

    Args:
        query: (heads, tokens, head size); `key` and `value` likewise, of another number of tokens or the same.
        lengths: of each example, queries and keys, which stand one behind the other in their rows.

    Returns:
        (tokens, heads, head size); zeros behind the examples.
    """
    return _ExampleAttention.apply(query, key, value, lengths, scores)


class _ExampleAttention(torch.autograd.Function):
    """The softmax's gradient is torch's; sums over blocks are made in place."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[tuple[int, int]], scores: Scores
    ) -> Tensor:
        output = query.new_zeros(query.transpose(0, 1).shape)
        saved = []
        for asked, given, keys in _list_parts(lengths):
            queries, *others = (_take(t, part) for t, part in ((query, asked), (key, given), (value, given)))
            queries *= scores.scale
            outputs = torch.empty_like(queries)
            for block in _list_blocks(queries):
                weights = _compute_weights(queries[:, block], others[0], block, keys, scores)
                outputs[:, block] = torch.bmm(weights, others[1])
            _put(outputs, output.transpose(0, 1), asked)
            saved += queries, *others
        ctx.save_for_backward(*saved)
        ctx.shapes, ctx.lengths, ctx.scores = (query.shape, key.shape, value.shape), lengths, scores
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        gradient, saved = gradients[0].transpose(0, 1), iter(ctx.saved_tensors)
        # laid out as the projections behind them
        totals = [gradient.new_zeros(tokens, heads, size).transpose(0, 1) for heads, tokens, size in ctx.shapes]
        for asked, given, count in _list_parts(ctx.lengths):
            queries, keys, values = next(saved), next(saved), next(saved)
            d_outputs, d_queries = _take(gradient, asked), torch.empty_like(queries)
            d_keys, d_values = torch.empty_like(keys), torch.empty_like(values)
            for block in _list_blocks(queries):
                own, d_output = queries[:, block].contiguous(), d_outputs[:, block].contiguous()
                weights = _compute_weights(own, keys, block, count, ctx.scores)
                d_weights = torch.bmm(d_output, values.transpose(1, 2))
                d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)
                d_queries[:, block] = torch.bmm(d_scores, keys)
                beta = int(block.start > 0)
                d_keys.baddbmm_(d_scores.transpose(1, 2), own, beta=beta)
                d_values.baddbmm_(weights.transpose(1, 2), d_output, beta=beta)
            d_queries *= ctx.scores.scale
            for part, total, place in zip((d_queries, d_keys, d_values), totals, (asked, given, given), strict=True):
                _put(part, total, place)
        return *totals, None, None


def _list_parts(lengths: Sequence[tuple[int, int]]) -> Iterator[tuple[slice, slice, int]]:
    """Where an example's queries and keys stand, and how many keys it has."""
    start, first = 0, 0
    for queries, keys in lengths:
        yield slice(start, start + queries), slice(first, first + keys), keys
        start, first = start + queries, first + keys


def _take(tensor: Tensor, part: slice) -> Tensor:
    """(heads, tokens, head size) -> (heads, tokens of an example, filled up by zeros, head size), a copy."""
    taken = tensor[:, part]
    filled = tensor.new_empty(len(tensor), fill_up(taken.shape[1], STEP), tensor.shape[2])
    filled[:, : taken.shape[1]] = taken
    filled[:, taken.shape[1] :] = 0
    return filled


def _put(part: Tensor, target: Tensor, place: slice) -> None:
    target[:, place] = part[:, : place.stop - place.start]


def _list_blocks(queries: Tensor) -> Iterator[slice]:
    count = queries.shape[1]
    return (slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK))


def _compute_weights(query: Tensor, key: Tensor, block: slice, count: int, scores: Scores) -> Tensor:
    """Attention weights (heads, queries, keys) of a block of scaled queries over so many keys that are none to fill."""
    products = torch.bmm(query, key.transpose(1, 2))
    products[:, :, count:] = float("-inf")
    if scores.bias is not None:
        bias = scores.bias[:, block, :count]
        products[:, : bias.shape[1], :count] += bias
    if scores.is_causal:
        future = torch.ones(products.shape[1:], dtype=torch.bool, device=query.device).triu_(block.start + 1)
        products.masked_fill_(future, float("-inf"))
    return products.softmax(-1)
