"""The matrix products of a LoRA step alone: what no step made of torch's products can be faster than."""

import statistics
import time
from functools import cache
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

# layers that read a block's input; in the first block no gradient goes on from them
FIRST = ("attn.c_attn", "attn.q_proj", "attn.k_proj", "attn.v_proj", "mlp.c_fc", "mlp.fc_in")
FIRST += ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
# of which a last block needs every position
KEYS = ("attn.k_proj", "attn.v_proj", "self_attn.k_proj", "self_attn.v_proj")


def time_products(model: Any, features: Any, batch_size: int, rank: int) -> float:
    """Seconds an epoch of the products that a LoRA step cannot do without: those of the linear layers, of their factors
    and of attention over causal halves, forward and backward, and of the head at the labels. Behind the last layer's
    keys and values the labels' positions are enough, and no gradient goes to the embeddings."""
    head, dtype = model.get_output_embeddings(), model.dtype
    config = model.config
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    size = config.hidden_size // heads
    length = sum(len(f["input_ids"]) for f in features) // len(features)
    labelled = sum(len(f["labels"]) for f in features) // len(features)
    tokens, labels = length * batch_size, labelled * batch_size

    @cache
    def get_matrix(rows: int, columns: int, is_output: bool = False) -> torch.Tensor:
        """Outputs are apart from inputs, which would else grow beyond all numbers."""
        return torch.randn(rows, columns).to(dtype)

    def multiply(rows: int, wide: int, narrow: int, is_bottom: bool = False) -> None:
        """rows x wide to rows x narrow and, unless that ends at the embeddings, back."""
        left, right, weight = get_matrix(rows, wide), get_matrix(rows, narrow), get_matrix(wide, narrow)
        torch.mm(left, weight, out=get_matrix(rows, narrow, is_output=True))
        if not is_bottom:
            torch.mm(right, weight.t(), out=get_matrix(rows, wide, is_output=True))

    def adapt(rows: int, wide: int, narrow: int, is_bottom: bool) -> None:
        """A frozen layer, and each factor's way into r columns and back and its gradient."""
        multiply(rows, wide, narrow, is_bottom)
        multiply(rows, wide, rank, is_bottom)
        multiply(rows, rank, narrow)
        for width in (wide, narrow):
            torch.mm(get_matrix(rows, width).t(), get_matrix(rows, rank))

    query = torch.randn(batch_size * heads, length, size).to(dtype)
    scores = torch.empty(batch_size * heads, length, length, dtype=dtype)
    output = torch.empty_like(query)

    def attend() -> None:
        torch.bmm(query, query.transpose(1, 2), out=scores)
        torch.bmm(scores, query, out=output)

    def step() -> tuple[float, float]:
        start = time.perf_counter()
        for name, module in model.named_modules():
            if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not head:
                # behind `transformer.h.` or `model.layers.`
                _, _, depth, kind = name.split(".", 3)
                is_bottom = depth == "0" and kind in FIRST
                wide, narrow = module.weight.shape if isinstance(module, Conv1D) else module.weight.shape[::-1]
                if int(depth) < layers - 1 or kind in KEYS:
                    adapt(tokens, wide, narrow, is_bottom)
                elif kind == "attn.c_attn":
                    adapt(tokens, wide, narrow * 2 // 3, is_bottom)
                    adapt(labels, wide, narrow // 3, is_bottom)
                else:
                    adapt(labels, wide, narrow, is_bottom)
        multiply(labels, *head.weight.shape)
        linear = time.perf_counter()
        # forward once, and twice as much backward
        for _ in range(3):
            attend()
        return linear - start, time.perf_counter() - linear

    # the first makes the matrices
    _, *steps = (step() for _ in range(4))
    linear, attention = (statistics.median(column) for column in zip(*steps, strict=True))
    # of a causal square half is needed, in the last layer what the labels see of it
    return (linear + (layers - (1 - labelled / length) ** 2) * attention / 2) * len(features) / batch_size
