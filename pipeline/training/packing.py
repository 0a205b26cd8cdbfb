"""A batch without padding: its examples stand end to end in one row, and each attends to itself alone.

Positions begin anew with each example, and attention, the one place where tokens meet, is computed example by example
(as "packing with correct attention boundaries", Krell et al. 2021, arXiv 2107.02027). So the loss and its gradients are
those of a padded batch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pipeline.attentions import find_attention_obstacle, find_difference, is_gptj_attention
from pipeline.patches import Patch, patched

NAME = "packed"
# queries that meet their keys at once: on a CPU the scores of one block stay in its cache
BLOCK = 128
# a CPU's matrix library compiles a kernel for every shape it meets, so few should occur
MULTIPLE = 64


class Packing:
    """How the row that a model reads now is packed.

    Attributes:
        lengths: tokens of each example; None for a padded batch, which the model treats as ever. It must hold until
            the row's backward pass is over.
    """

    def __init__(self) -> None:
        self.lengths: list[int] | None = None


@contextmanager
def packed(*models: Any) -> Iterator[Packing]:
    """Inside the block models read rows packed as the `Packing` says.

    Args:
        models: causal ones in which `find_obstacle` finds nothing, adapted or not.
    """
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    packing = Packing()
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(_attached(model, packing))
        yield packing


@contextmanager
def _attached(model: Any, packing: Packing) -> Iterator[None]:
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    attentions = [module for module in bare.modules() if hasattr(module, "layer_idx")]
    implementation, is_on_interface = bare.config._attn_implementation, bare._can_set_attn_implementation()
    patches: list[Patch] = [(m, "_attn", _build_gptj_attention(m)) for m in attentions if is_gptj_attention(m)]
    for module in attentions:
        module.packing = packing
    try:
        if is_on_interface:
            bare.set_attn_implementation(NAME)
        with patched(patches):
            yield
    finally:
        if is_on_interface:
            bare.set_attn_implementation(implementation)
        for module in attentions:
            del module.packing


def find_obstacle(model: Any) -> str | None:
    """Why a model cannot read packed rows, in a few words; None if it can."""
    if model.config.is_encoder_decoder:
        return "it is an encoder-decoder"
    return find_attention_obstacle(model) or _find_by_running(model)


@torch.no_grad()
def _find_by_running(model: Any) -> str | None:
    """Compares two packed examples with the model's own forward pass over each."""
    size, training = model.get_input_embeddings().num_embeddings, model.training
    rows = [[(7 * i + k) % size for i in range(1, n)] for k, n in enumerate((9, 6))]
    try:
        theirs = [model.eval()(input_ids=torch.tensor([row], device=model.device)).logits[0, -3:-1] for row in rows]
        with packed(model) as packing:
            batch, packing.lengths = build_row(rows, [2, 2], model.device)
            ours = model(**batch, use_cache=False).logits[0]
    except Exception as error:
        return f"it cannot read a packed row ({type(error).__name__}: {str(error).splitlines()[0]})"
    finally:
        model.train(training)
    difference = find_difference(ours, torch.cat(theirs), model.dtype)
    return difference and f"a packed row's logits {difference}"


def build_row(
    rows: Sequence[list[int]], labelled: Sequence[int], device: Any = None
) -> tuple[dict[str, Any], list[int]]:
    """What a model is given of a packed row, and its lengths for the `Packing`.

    Args:
        rows: token ids of each example.
        labelled: how many of each one's last tokens are labels.

    Returns:
        `input_ids`, `position_ids` (1, tokens); `logits_to_keep` (labels,), the positions that predict a label; an
        `attention_mask` that nothing reads: of four axes, it is taken as it is, so that none is computed. The tokens
        are a multiple of `MULTIPLE`: a last example without labels fills the row.
    """
    ends = accumulate(len(row) for row in rows)
    kept = [torch.arange(end - count - 1, end - 1) for end, count in zip(ends, labelled, strict=True)]
    if filler := -sum(map(len, rows)) % MULTIPLE:
        rows = [*rows, [0] * filler]
    batch = {
        "input_ids": torch.tensor([[token for row in rows for token in row]]),
        "position_ids": torch.cat([torch.arange(len(row)) for row in rows])[None],
        "attention_mask": torch.zeros(1, 1, 1, 1, dtype=torch.long),
        "logits_to_keep": torch.cat(kept),
    }
    return {name: value.to(device) for name, value in batch.items()}, [len(row) for row in rows]


def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **settings: Any) -> Any:
    """An attention function of transformers' `AttentionInterface`, causal within each packed example.

    Args:
        module: carries the `Packing` as `packing`.
        query: (1, heads, tokens, head size); `key` and `value` likewise, perhaps of fewer heads.

    Returns:
        (1, tokens, heads, head size), and None for the weights.
    """
    lengths = module.packing.lengths
    if lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    # positions may have been rotated in fp32
    query, key = query.to(value.dtype), key.to(value.dtype)
    dropout = settings.get("dropout") or 0.0
    scale = settings.get("scaling")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if query.shape[1] != key.shape[1]:
        key, value = (t.repeat_interleave(query.shape[1] // t.shape[1], dim=1) for t in (key, value))
    if query.device.type == "cpu" and not dropout:
        # views: the gradient of an index is a copy in a tensor of zeros
        rows = (tensor.squeeze(0) for tensor in (query, key, value))
        return _BlockAttention.apply(*rows, lengths, scale)[None], None
    # split, whose gradient is one concatenation; slices would each fill the whole row with zeros
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    outputs = [scaled_dot_product_attention(*part, dropout_p=dropout, is_causal=True, scale=scale) for part in parts]
    return torch.cat([output.transpose(1, 2) for output in outputs], dim=1), None


class _BlockAttention(torch.autograd.Function):
    """Causal attention of packed examples on a CPU, a block of queries at a time, as plain matrix products.

    Keys behind a block are left out, and the weights are computed again in the backward pass, so memory is that of one
    block (as in FlashAttention, Dao et al. 2022). torch's own CPU kernel does the same in smaller tiles; what that
    costs is measured by benchmarks/train_step.py.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, lengths: list[int], scale: float) -> Tensor:
        """`query`, `key`, `value`: (heads, tokens, head size); gives (tokens, heads, head size)."""
        heads, tokens, size = query.shape
        output = query.new_empty(tokens, heads, size)
        query, future = query * scale, _build_future(query)
        for start, first, end in _iterate_blocks(lengths):
            weights = _compute_weights(query[:, first:end], key[:, start:end], future)
            output[first:end] = torch.bmm(weights, value[:, start:end]).transpose(0, 1)
        ctx.save_for_backward(query, key, value)
        ctx.lengths, ctx.scale = lengths, scale
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """The softmax's gradient is torch's; sums over blocks are made in place."""
        query, key, value = ctx.saved_tensors
        gradient, future = gradients[0].transpose(0, 1), _build_future(query)
        d_query = torch.empty_like(query)
        d_key, d_value = torch.zeros_like(key), torch.zeros_like(value)
        for start, first, end in _iterate_blocks(ctx.lengths):
            own, seen = slice(first, end), slice(start, end)
            weights = _compute_weights(query[:, own], key[:, seen], future)
            d_value[:, seen].baddbmm_(weights.transpose(1, 2), gradient[:, own])
            d_weights = torch.bmm(gradient[:, own], value[:, seen].transpose(1, 2))
            d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)
            d_query[:, own] = torch.bmm(d_scores, key[:, seen])
            d_key[:, seen].baddbmm_(d_scores.transpose(1, 2), query[:, own])
        return d_query.mul_(ctx.scale), d_key, d_value, None, None


def _iterate_blocks(lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """For each block of queries where its example begins, and its own first and one past its last position."""
    start = 0
    for length in lengths:
        for first in range(start, start + length, BLOCK):
            yield start, first, min(first + BLOCK, start + length)
        start += length


def _build_future(query: Tensor) -> Tensor:
    """True where a block's own key comes after a query."""
    return torch.ones(BLOCK, BLOCK, dtype=torch.bool, device=query.device).triu_(1)


def _compute_weights(query: Tensor, key: Tensor, future: Tensor) -> Tensor:
    """Attention weights (heads, queries, keys) of an example's scaled queries, which end where its keys end."""
    scores, count = torch.bmm(query, key.transpose(1, 2)), query.shape[1]
    scores[:, :, -count:].masked_fill_(future[:count, :count], float("-inf"))
    return scores.softmax(-1)


def _build_gptj_attention(module: Any) -> Callable[..., Any]:
    """GPT-J has an attention of its own, outside of the interface."""
    original = module._attn

    def _attn(query: Tensor, key: Tensor, value: Tensor, attention_mask: Any = None) -> Any:
        if module.packing.lengths is None:
            return original(query, key, value, attention_mask)
        dropout = module.attn_dropout.p if module.training else 0.0
        settings = {"scaling": 1 / module.scale_attn, "dropout": dropout}
        output, _ = attend(module, query, key, value, attention_mask, **settings)
        return output.transpose(1, 2), None

    return _attn
