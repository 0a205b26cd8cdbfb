"""What attends in a model that reads packed rows: each example to itself alone, on whatever device it is."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from pipeline.training.block_attention import STEP, Span, attend_in_blocks
from pipeline.training.packed_encoder_decoder import Sides, attend_apart
from pipeline.training.packing import Packing
from pipeline.training.rotations import Halves, Neighbours, Rotation


def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **settings: Any) -> Any:
    """An attention function of transformers' `AttentionInterface`, causal within each packed example.

    Args:
        module: carries the `Packing` as `packing`, and whether it is of the last layer as `is_last`.
        query: (1, heads, tokens, head size); `key` and `value` likewise, perhaps of fewer heads.
        settings: transformers' `scaling`, `dropout` and T5's `position_bias`; `rotation` of `attend_in_blocks`, where
            it `goes_in_blocks`.

    Returns:
        (1, tokens, heads, head size), and None for the weights.
    """
    packing: Packing = module.packing
    if packing.examples is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    sides: Sides | None = getattr(module, "sides", None)
    if sides is not None:
        given = settings.get("position_bias"), settings.get("dropout") or 0.0, settings.get("scaling")
        return attend_apart(sides, packing, (query, key, value), *given), None
    turning, packing.turning = packing.turning, None
    dropout = settings.get("dropout") or 0.0
    if turning is not None and not goes_in_blocks(query, dropout):
        function, *tables = turning
        query, key = function(query, key, *tables)
    # positions may have been rotated in fp32
    query, key = query.to(value.dtype), key.to(value.dtype)
    scale = settings.get("scaling")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if goes_in_blocks(query, dropout):
        # views: the gradient of an index is a copy in a tensor of zeros
        rows = (tensor.squeeze(0) for tensor in (query, key, value))
        spans = [*packing.iterate_spans(module.is_last)]
        rotation = settings.get("rotation") or (turning and _build_halves(*turning[1:], spans))
        return attend_in_blocks(*rows, spans, scale, rotation)[None], None
    if query.shape[1] != key.shape[1]:
        key, value = (t.repeat_interleave(query.shape[1] // t.shape[1], dim=1) for t in (key, value))
    # split, whose gradient is one concatenation; slices would each fill the whole row with zeros
    lengths = [length for length, _ in packing.examples]
    if filler := query.shape[2] - sum(lengths):
        lengths.append(filler)
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    outputs = [scaled_dot_product_attention(*part, dropout_p=dropout, is_causal=True, scale=scale) for part in parts]
    return torch.cat([output.transpose(1, 2) for output in outputs], dim=1), None


def goes_in_blocks(tensor: Tensor, dropout: float) -> bool:
    """Whether a packed row's attention is made by `attend_in_blocks`."""
    return tensor.device.type == "cpu" and not dropout


def build_turn(function: Callable[..., Any], packing: Packing) -> Callable[..., Any]:
    """A modeling file's rotary embedding, left to the attention behind it where that goes in blocks.

    Args:
        function: does what `Halves` does.
    """

    def turn(query: Tensor, key: Tensor, cosine: Tensor, sine: Tensor, *args: Any, **settings: Any) -> Any:
        # heads that are turned in part are left to their model, as are axes in another order
        is_plain = cosine.shape == (1, *query.shape[-2:]) and not args and not settings
        if packing.examples is None or query.device.type != "cpu" or not is_plain:
            return function(query, key, cosine, sine, *args, **settings)
        packing.turning = function, cosine, sine
        return query, key

    turn.original = function  # pyright: ignore[reportFunctionMemberAccess]
    return turn


def _build_halves(cosine: Tensor, sine: Tensor, spans: Sequence[Span]) -> Halves:
    """Of a row's positions, (1, tokens, head size); they begin anew with each example, so the longest has them all."""
    longest = max(spans, key=lambda span: span.length)
    whole = slice(longest.start, longest.start + longest.filled)
    return Halves(cosine[0, whole], sine[0, whole])


def build_gptj_attention(module: Any) -> Callable[..., Any]:
    """GPT-J has an attention of its own, outside of the interface."""
    original = module._attn

    def _attn(query: Tensor, key: Tensor, value: Tensor, attention_mask: Any = None) -> Any:
        if module.packing.examples is None:
            return original(query, key, value, attention_mask)
        settings = {"scaling": 1 / module.scale_attn, "dropout": _get_dropout(module)}
        output, _ = attend(module, query, key, value, attention_mask, **settings)
        return output.transpose(1, 2), None

    return _attn


def build_gptj_forward(module: Any) -> Callable[..., Any]:
    """On a CPU queries and keys are turned a few examples at a time, while these are in its cache."""
    original = module.forward
    # the same in every step
    build_rotation = cache(partial(_build_rotation, module))

    def forward(hidden_states: Tensor, *args: Any, **settings: Any) -> Any:
        if module.packing.examples is None or not goes_in_blocks(hidden_states, _get_dropout(module)):
            return original(hidden_states, *args, **settings)
        projected = (project(hidden_states) for project in (module.q_proj, module.k_proj, module.v_proj))
        heads = [rows.unflatten(-1, (module.num_attention_heads, -1)).transpose(1, 2) for rows in projected]
        rotation = build_rotation(heads[0].dtype)
        output, _ = attend(module, *heads, None, scaling=1 / module.scale_attn, rotation=rotation)
        return module.resid_dropout(module.out_proj(output.flatten(2))), None

    return forward


def _get_dropout(module: Any) -> float:
    return module.attn_dropout.p if module.training else 0.0


def _build_rotation(module: Any, dtype: torch.dtype) -> Rotation:
    """The angles of GPT-J's positions, rounded as its own attention does, with room for what fills an example up."""
    angles = pad(module.embed_positions, (0, 0, 0, -len(module.embed_positions) % STEP))
    sine, cosine = angles.to(dtype).float().chunk(2, dim=-1)
    return Neighbours(torch.complex(cosine, sine))
