"""Attention of a prompt and its branches in one row: each branch sees the prompt and itself.

A prompt of P tokens with K branches of S costs P + K S tokens instead of K (P + S), and its keys and values are there
once ("tree attention"; the same split of the keys as in "Hydragen", Juravsky et al. 2024, arXiv 2402.05099). Here with
gradients, for training on several summaries of one document.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pipeline.models.attentions import attending, get_bare_model, is_gptj_attention
from pipeline.models.patches import Patch, patched

NAME = "branches"


@dataclass(frozen=True)
class Tree:
    """Where the tokens of a row belong.

    Args:
        prompt: tokens of the prompt, which stands first.
        places: (branches, longest) each branch's places in the row; behind a shorter one, any place.
        kept: (tokens of branches,) which of those places, flattened, are real, in the order of the row.
    """

    prompt: int
    places: Tensor
    kept: Tensor


def build_tree(prompt: int, lengths: Sequence[int], device: Any = None) -> Tree:
    """The tree of a row of so many prompt tokens and, behind them, branches of these lengths."""
    longest, places, kept, start = max(lengths), [], [], prompt
    for number, length in enumerate(lengths):
        places.append([*range(start, start + length), *[0] * (longest - length)])
        kept += range(number * longest, number * longest + length)
        start += length
    return Tree(prompt, torch.tensor(places, device=device), torch.tensor(kept, device=device))


@contextmanager
def branched(model: Any, tree: Tree | None) -> Iterator[None]:
    """Inside the block, a causal model reads a row as the tree says; None leaves the model as it is."""
    if tree is None:
        yield
        return
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    bare = get_bare_model(model)
    attentions = [module for module in bare.modules() if hasattr(module, "layer_idx")]
    patches: list[Patch] = [(m, "_attn", _build_gptj_attention(m)) for m in attentions if is_gptj_attention(m)]
    for module in attentions:
        module.tree = tree
    try:
        with attending(bare, NAME), patched(patches):
            yield
    finally:
        for module in attentions:
            del module.tree


def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **settings: Any) -> Any:
    """An attention function of transformers' `AttentionInterface`.

    Args:
        module: carries the `Tree` of the row as `tree`.
        query: (1, heads, tokens, head size); `key` and `value` likewise, perhaps of fewer heads.
        settings: transformers' `scaling` and `dropout`.

    Returns:
        (1, tokens, heads, head size), and None for the weights.
    """
    tree: Tree | None = getattr(module, "tree", None)
    if tree is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **settings)
    # positions may have been rotated in fp32
    query, key = query.to(value.dtype), key.to(value.dtype)
    if query.shape[1] != key.shape[1]:
        key, value = (t.repeat_interleave(query.shape[1] // t.shape[1], dim=1) for t in (key, value))
    scale, share = settings.get("scaling"), settings.get("dropout") or 0.0
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    sizes = [tree.prompt, query.shape[2] - tree.prompt]
    (prompt, _), (keys, _), (values, _) = (t.split(sizes, dim=2) for t in (query, key, value))
    seen = scaled_dot_product_attention(prompt, keys, values, dropout_p=share, is_causal=True, scale=scale)
    # (branches, heads, longest, head size); what stands behind a shorter branch is seen by nothing that is kept
    own = [t[0].index_select(1, tree.places.flatten()).unflatten(1, tree.places.shape) for t in (query, key, value)]
    parts = (own[0] * scale, keys[0], values[0], own[1], own[2], share)
    if query.requires_grad:
        # the weights of every layer would be most of the memory
        branches = checkpoint(_attend_from_branches, *parts, use_reentrant=False)
    else:
        branches = _attend_from_branches(*parts)
    kept = branches.flatten(1, 2).index_select(1, tree.kept)  # pyright: ignore[reportOptionalMemberAccess]
    return torch.cat([seen[0], kept], dim=1).transpose(0, 1)[None], None


def _attend_from_branches(
    query: Tensor, prompt_keys: Tensor, prompt_values: Tensor, keys: Tensor, values: Tensor, share: float
) -> Tensor:
    """Scaled queries (heads, branches, longest, head size) meet the prompt's keys (heads, tokens, head size) and those
    of their own branch up to themselves."""
    count, longest = query.shape[1:3]
    to_prompt = torch.matmul(query.flatten(1, 2), prompt_keys.transpose(1, 2)).unflatten(1, (count, longest))
    future = torch.full((longest, longest), float("-inf"), dtype=query.dtype, device=query.device).triu_(1)
    to_own = torch.matmul(query, keys.transpose(2, 3)) + future
    weights = torch.cat([to_prompt, to_own], dim=-1).softmax(-1)
    weights = dropout(weights, share) if share else weights
    of_prompt, of_own = weights.split([prompt_keys.shape[1], longest], dim=-1)
    read = torch.matmul(of_prompt.flatten(1, 2), prompt_values).unflatten(1, (count, longest))
    return read + torch.matmul(of_own, values)


def _build_gptj_attention(module: Any) -> Callable[..., Any]:
    """GPT-J has an attention of its own, outside of the interface."""

    def _attn(query: Tensor, key: Tensor, value: Tensor, attention_mask: Any = None) -> Any:
        share = module.attn_dropout.p if module.training else 0.0
        settings = {"scaling": 1 / float(module.scale_attn), "dropout": share}
        output, _ = attend(module, query, key, value, attention_mask, **settings)
        return output.transpose(1, 2), None

    return _attn
