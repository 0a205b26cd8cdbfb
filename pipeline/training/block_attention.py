"""Attention of a packed row on a CPU: causal within each example, a block of queries at a time, as matrix products.

Keys behind a block are left out, and the weights are computed again in the backward pass, so memory is that of a few
blocks (as in FlashAttention, Dao et al. 2022). Examples of like length go together, and every shape is a multiple of
`STEP`: a CPU's matrix library compiles and keeps a kernel for each shape that it meets. torch's own CPU kernel works in
smaller tiles; what that costs is measured by benchmarks/train_step.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from pipeline.training.rotations import Rotation

# queries that meet their keys at once
BLOCK = 128
# what the tokens of an example are filled up to, with whatever stands behind it
STEP = 32
# heads whose blocks are multiplied at once: on a CPU their scores stay in its cache
HEADS = 18


@dataclass(frozen=True)
class Span:
    """An example in its row.

    Attributes:
        start: its first token.
        length: its tokens.
        first: the first of its own positions whose output is wanted.
    """

    start: int
    length: int
    first: int = 0

    @property
    def filled(self) -> int:
        """Tokens, filled up to a multiple of `STEP`; the row has that many behind every start."""
        return fill_up(self.length, STEP)


def fill_up(count: int, multiple: int) -> int:
    """The first multiple of a number that is not less than the count."""
    return -(-count // multiple) * multiple


def attend_in_blocks(
    query: Tensor, key: Tensor, value: Tensor, spans: Sequence[Span], scale: float, rotation: Rotation | None = None
) -> Tensor:
    """softmax(scale Q K') V of each example.

    Args:
        query: (heads, tokens, head size).
        key: (fewer heads or as many, tokens, head size), as is `value`; each meets as many queries' heads, in order.
        rotation: of queries and keys, for as many positions as the longest filled example has; None if they are turned
            already.

    Returns:
        (tokens, heads, head size); zeros outside the examples and in whole blocks before their `first`.
    """
    return _BlockAttention.apply(query, key, value, spans, scale, rotation)


class _BlockAttention(torch.autograd.Function):
    """The softmax's gradient is torch's; sums over blocks are made in place.

    The queries that share a key's head are rows of one product: keys are not repeated, and the product itself adds up
    what goes back to them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        spans: Sequence[Span],
        scale: float,
        rotation: Rotation | None,
    ) -> Tensor:
        heads, tokens, size = query.shape
        output = _make_row(query, (tokens, heads, size), spans)
        ctx.groups, ctx.sharing = [*_group(spans, heads)], heads // len(key)
        saved, future = [], _build_future(query)
        for group in ctx.groups:
            queries, keys, values = (_gather(tensor, group) for tensor in (query, key, value))
            if rotation is not None:
                rotation.turn(queries)
                rotation.turn(keys)
            queries *= scale
            outputs = _make_queries(queries, group)
            for first, end in _list_blocks(group):
                weights = _compute_weights(
                    _take(queries, ctx.sharing, first, end), keys[:, :end].contiguous(), future, end - first
                )
                _put(torch.bmm(weights, values[:, :end]), outputs, ctx.sharing, first, end)
            _scatter(outputs, output.transpose(0, 1), group)
            saved += queries, keys, values
        ctx.save_for_backward(*saved)
        ctx.shapes = [(tokens, heads, size), *[(tokens, len(key), size)] * 2]
        ctx.scale, ctx.spans, ctx.rotation = scale, spans, rotation
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        gradient, saved = gradients[0].transpose(0, 1), iter(ctx.saved_tensors)
        totals = [_make_row(gradient, shape, ctx.spans).transpose(0, 1) for shape in ctx.shapes]
        future = _build_future(gradient)
        for group in ctx.groups:
            queries, keys, values = next(saved), next(saved), next(saved)
            # what fills an example up belongs to another one
            d_outputs = _gather(gradient, group, is_cleared=True)
            d_queries = _make_queries(queries, group)
            d_keys, d_values = torch.empty_like(keys), torch.empty_like(values)
            # the last block sees all keys, so its share of their gradients is the first to be written
            for first, end in reversed(_list_blocks(group)):
                own, seen = _take(queries, ctx.sharing, first, end).contiguous(), keys[:, :end].contiguous()
                d_output = _take(d_outputs, ctx.sharing, first, end).contiguous()
                weights = _compute_weights(own, seen, future, end - first)
                d_weights = torch.bmm(d_output, values[:, :end].contiguous().transpose(1, 2))
                d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)
                _put(torch.bmm(d_scores, seen), d_queries, ctx.sharing, first, end)
                is_first = end == keys.shape[1]
                d_keys[:, :end].baddbmm_(d_scores.transpose(1, 2), own, beta=1 - is_first)
                d_values[:, :end].baddbmm_(weights.transpose(1, 2), d_output, beta=1 - is_first)
            d_queries *= ctx.scale
            if ctx.rotation is not None:
                ctx.rotation.turn_back(d_queries)
                ctx.rotation.turn_back(d_keys)
            for part, total in zip((d_queries, d_keys, d_values), totals, strict=True):
                _scatter(part, total, group)
        return *totals, None, None, None


def _make_row(like: Tensor, shape: tuple[int, int, int], spans: Sequence[Span]) -> Tensor:
    """Room for (tokens, heads, head size) of all examples, with zeros behind them."""
    row = like.new_empty(shape)
    row[max(span.start + span.length for span in spans) :] = 0
    return row


def _make_queries(like: Tensor, group: Sequence[Span]) -> Tensor:
    """Room for a group's queries, with zeros before the first block."""
    queries = torch.empty_like(like)
    queries[:, : _list_blocks(group)[0][0]] = 0
    return queries


def _group(spans: Sequence[Span], heads: int) -> Iterator[list[Span]]:
    """Examples that are equally long when filled up, as many as `HEADS` allow."""
    most = max(1, HEADS // heads)
    for _, alike in groupby(sorted(spans, key=lambda span: span.filled), key=lambda span: span.filled):
        members = list(alike)
        yield from (members[i : i + most] for i in range(0, len(members), most))


def _gather(tensor: Tensor, group: Sequence[Span], is_cleared: bool = False) -> Tensor:
    """(heads, tokens, head size) -> (examples x heads, filled length, head size), a copy."""
    parts = torch.stack([tensor[:, span.start : span.start + span.filled] for span in group])
    if is_cleared:
        for part, span in zip(parts, group, strict=True):
            part[:, span.length :] = 0
    return parts.flatten(0, 1)


def _scatter(parts: Tensor, target: Tensor, group: Sequence[Span]) -> None:
    """What `_gather` collected goes back to where it was, without what filled it up."""
    for part, span in zip(parts.unflatten(0, (len(group), -1)), group, strict=True):
        target[:, span.start : span.start + span.length] = part[:, : span.length]


def _take(parts: Tensor, sharing: int, first: int, end: int) -> Tensor:
    """A block of queries: (heads, tokens, head size) -> (heads of keys, queries that share one, head size)."""
    return parts[:, first:end].unflatten(0, (-1, sharing)).flatten(1, 2)


def _put(block: Tensor, parts: Tensor, sharing: int, first: int, end: int) -> None:
    """A block such as `_take` gives, to where it is taken from."""
    parts[:, first:end].unflatten(0, (-1, sharing)).copy_(block.unflatten(1, (sharing, -1)))


def _list_blocks(group: Sequence[Span]) -> list[tuple[int, int]]:
    """First and one past the last position of each block of queries, but for those whose output nobody wants."""
    wanted, length = min(span.first for span in group), group[0].filled
    firsts = range(wanted // BLOCK * BLOCK, length, BLOCK)
    return [(first, min(first + BLOCK, length)) for first in firsts]


def _build_future(query: Tensor) -> Tensor:
    """Minus infinity where a block's own key comes after a query, else 0."""
    return torch.full((BLOCK, BLOCK), float("-inf"), dtype=query.dtype, device=query.device).triu_(1)


def _compute_weights(query: Tensor, key: Tensor, future: Tensor, count: int) -> Tensor:
    """Attention weights (heads, queries, keys) of scaled queries, so many a head, which end where the keys end."""
    scores = torch.bmm(query, key.transpose(1, 2))
    scores.unflatten(1, (-1, count))[..., -count:] += future[:count, :count]
    return scores.softmax(-1)
