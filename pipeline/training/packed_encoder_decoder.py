"""An encoder-decoder that reads packed rows: documents in one, summaries in another, each summary beside its document.

Attention is bidirectional within a document, causal within a summary, and between a summary and its own document.
Positions begin anew with each of them: BART's by their numbers, T5's as distances that never leave an example.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from pipeline.models.patches import Patch
from pipeline.training.example_attention import Scores, attend_in_examples
from pipeline.training.packing import Packing


class Sides(NamedTuple):
    """Which row an attention's queries, and which its keys come from."""

    queries_are_source: bool
    keys_are_source: bool


ENCODER, DECODER, CROSS = Sides(True, True), Sides(False, False), Sides(False, True)


def find_sides(model: Any) -> dict[str, Sides]:
    """Of the attention modules of a bare encoder-decoder, by name."""
    in_encoder = {id(module) for module in model.get_encoder().modules()}
    attentions = {name: module for name, module in model.named_modules() if hasattr(module, "layer_idx")}
    return {
        name: ENCODER if id(module) in in_encoder else DECODER if module.is_causal else CROSS
        for name, module in attentions.items()
    }


def build_patches(model: Any, packing: Packing) -> list[Patch]:
    """What gives a bare encoder-decoder the positions of packed rows."""
    patches: list[Patch] = []
    for part, is_source in ((model.get_encoder(), True), (model.get_decoder(), False)):
        positions = getattr(part, "embed_positions", None)
        if positions is not None and "position_ids" in inspect.signature(positions.forward).parameters:
            patches.append((positions, "forward", _build_positions(positions, packing, is_source)))
        # the layer whose distances the others share
        for module in (m for m in part.modules() if getattr(m, "has_relative_attention_bias", False)):
            patches.append((module, "compute_bias", _build_bias(module, packing, is_source)))
    return patches


def _build_positions(module: Any, packing: Packing, is_source: bool) -> Callable[..., Tensor]:
    original = module.forward

    def forward(ids: Tensor, *args: Any, **settings: Any) -> Tensor:
        if packing.examples is None:
            return original(ids, *args, **settings)
        lengths = packing.get_lengths(is_source)
        positions = torch.cat([torch.arange(length, device=ids.device) for length in lengths])
        # what fills a row up stands at the first position: it may be longer than the context
        return original(ids, position_ids=pad(positions, (0, ids.shape[1] - len(positions))))

    return forward


def _build_bias(module: Any, packing: Packing, is_source: bool) -> Callable[..., Tensor]:
    original = module.compute_bias

    def compute_bias(query_length: int, key_length: int, *args: Any, **settings: Any) -> Tensor:
        """Of the longest example, which holds those of all: (1, heads, queries, keys)."""
        if packing.examples is not None:
            query_length = key_length = max(packing.get_lengths(is_source))
        return original(query_length, key_length, *args, **settings)

    return compute_bias


def attend_apart(
    sides: Sides,
    packing: Packing,
    states: tuple[Tensor, Tensor, Tensor],
    bias: Tensor | None,
    dropout: float,
    scale: Any,
) -> Tensor:
    """Each example's attention.

    Args:
        states: queries, keys and values (1, heads, tokens, head size) of packed rows.
        bias: (1, heads, queries, keys) of scores, as `compute_bias` gives it; T5's zeros where it has none.
        scale: None for that of Vaswani et al. 2017.

    Returns:
        (1, tokens, heads, head size); zeros at what fills a row up.
    """
    query = states[0]
    # across there are no distances
    bias = None if bias is None or sides == CROSS else bias.to(query.dtype)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    # T5 does not scale its scores, so they are large, and half precision would round them
    is_delicate = bias is not None and (bias.requires_grad or bias.dtype in (torch.bfloat16, torch.float16))
    if query.device.type == "cpu" and not dropout and not is_delicate:
        lengths = zip(*(packing.get_lengths(is_source) for is_source in sides), strict=True)
        scores = Scores(scale, None if bias is None else bias[0], sides == DECODER)
        return attend_in_examples(*(tensor[0] for tensor in states), [*lengths], scores)[None]
    return _attend_by_torch(sides, packing, states, bias, dropout_p=dropout, scale=scale)


def _attend_by_torch(
    sides: Sides, packing: Packing, states: tuple[Tensor, Tensor, Tensor], bias: Tensor | None, **settings: Any
) -> Tensor:
    """As `attend_apart`, on whatever device."""
    lengths = [packing.get_lengths(is_source) for is_source in (sides.queries_are_source, *[sides.keys_are_source] * 2)]
    # split, whose gradient is one concatenation; slices would each fill the whole row with zeros
    parts = [
        tensor.split([*counts, tensor.shape[2] - sum(counts)], dim=2)[:-1]
        for tensor, counts in zip(states, lengths, strict=True)
    ]
    is_causal = sides == DECODER
    masks: Sequence[Tensor | None] = [None] * len(lengths[0])
    if bias is not None:
        future = torch.ones(bias.shape[-2:], dtype=torch.bool, device=bias.device).triu_(1)
        bias = bias.masked_fill(future, float("-inf")) if is_causal else bias
        masks, is_causal = [bias[:, :, :length, :length] for length in lengths[0]], False
    outputs = [
        scaled_dot_product_attention(*part, attn_mask=mask, is_causal=is_causal, **settings)
        for *part, mask in zip(*parts, masks, strict=True)
    ]
    output = torch.cat([output.transpose(1, 2) for output in outputs], dim=1)
    return pad(output, (0, 0, 0, 0, 0, states[0].shape[2] - output.shape[1]))
