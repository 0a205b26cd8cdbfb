"""The steps of training that touch most memory, each made in fewer passes over it. The mathematics stays.

On a CPU the matrix products of a plain LoRA step are less than half of its time; the rest is reading and writing what
stands between them, and asking the system for the memory to write it to (measured by benchmarks/train_step.py).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor
from torch.nn.functional import gelu
from transformers.activations import GELUActivation, NewGELUActivation
from transformers.pytorch_utils import Conv1D

from pipeline.models.patches import Patch, patched
from pipeline.models.token_rows import TokenRows

# where a GELU's output names its input
SOURCE = "gelu_source"


def fused(model: Any) -> AbstractContextManager[None]:
    """Inside the block, a model's LoRA layers and GELUs are computed by this module's functions."""
    patches: list[Patch] = []
    for module in model.modules():
        if isinstance(module, NewGELUActivation):
            # the same formula, which transformers spells out in eight operations that each keep their input
            patches.append((module, "forward", partial(gelu, approximate="tanh")))
        elif isinstance(module, GELUActivation):
            patches.append((module, "forward", _activate))
        elif _can_fuse(module):
            patches.append((module, "forward", _build_lora(module)))
    return patched(patches)


def _activate(hidden: Tensor) -> Tensor:
    """A GELU whose output the linear layer behind it need not keep: it is quickly computed again. (A tanh is not.)"""
    output = gelu(hidden)
    setattr(output, SOURCE, hidden)
    return output


def is_fused(model: Any) -> bool:
    """Whether all that is tuned of a model is tuned by this module, or row by row: in the precision of the weights."""
    fitting = (m for m in model.modules() if _can_fuse(m) or isinstance(m, TokenRows))
    ours = {id(p) for m in fitting for p in m.parameters() if p.requires_grad}
    return all(id(parameter) in ours for parameter in model.parameters() if parameter.requires_grad)


def _can_fuse(module: Any) -> bool:
    """Whether it is peft's plain LoRA over a plain linear layer, whose weights are here and not offloaded."""
    if type(module) is not Linear or len(module.active_adapters) != 1:
        return False
    name, base = module.active_adapters[0], module.base_layer
    plain = type(base) in (torch.nn.Linear, Conv1D) and not hasattr(base, "_hf_hook")
    return plain and name in module.lora_A and name not in module.lora_variant and not module.lora_bias[name]


def _build_lora(layer: Any) -> Callable[..., Tensor]:
    original, base, name = layer.forward, layer.base_layer, layer.active_adapters[0]
    down, up, dropout, scaling = (t[name] for t in (layer.lora_A, layer.lora_B, layer.lora_dropout, layer.scaling))

    def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        mixed = torch.is_autocast_enabled(hidden.device.type) and base.weight.dtype == torch.float32
        if layer.disable_adapters or layer.merged or mixed or args or kwargs:
            return original(hidden, *args, **kwargs)
        # rows by columns, whichever way the layer stores them
        weight = base.weight if isinstance(base, Conv1D) else base.weight.t()
        source = getattr(hidden, SOURCE, None)
        hidden = hidden.to(weight.dtype)
        dropped = hidden if isinstance(dropout, torch.nn.Identity) else dropout(hidden)
        return _LoraLinear.apply(hidden, dropped, source, weight, base.bias, down.weight, up.weight, scaling)

    return forward


class _LoraLinear(torch.autograd.Function):
    """x W + b + s (x A) B, for a frozen W, in the precision of W (Hu et al. 2021, equation 3).

    peft adds the update in a tensor of its own and keeps the input twice more, in fp32 and in the compute precision;
    here the update is added by the matrix product itself and the input is kept once.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        dropped: Tensor,
        source: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scaling: float,
    ) -> Tensor:
        """`hidden` and, after dropout, `dropped`: (…, in); `source`: of which `hidden` is the GELU, if it is one;
        `weight`: (in, out); `down`: (r, in); `up`: (out, r)."""
        rows, rows_dropped = hidden.flatten(0, -2), dropped.flatten(0, -2)
        down, up = down.to(weight.dtype), up.to(weight.dtype)
        output = rows @ weight if bias is None else torch.addmm(bias, rows, weight)
        inner = rows_dropped @ down.t()
        output.addmm_(inner, up.t(), alpha=scaling)
        ctx.scaling, ctx.is_dropped = scaling, dropped is not hidden
        ctx.is_source = source is not None and not ctx.is_dropped
        ctx.save_for_backward(source if ctx.is_source else rows_dropped, inner, weight, down, up)
        return output.view(*hidden.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Of the input, and of both factors in fp32, as their optimizer holds them."""
        kept, inner, weight, down, up = ctx.saved_tensors
        gradient = gradients[0].flatten(0, -2)
        shape = (*gradients[0].shape[:-1], -1)
        d_inner = (gradient @ up).mul_(ctx.scaling)
        d_hidden = d_dropped = None
        if ctx.needs_input_grad[0]:
            d_hidden = gradient @ weight.t()
            if ctx.is_dropped:
                d_dropped = (d_inner @ down).view(shape)
            else:
                d_hidden.addmm_(d_inner, down)
            d_hidden = d_hidden.view(shape)
        rows = gelu(kept).to(weight.dtype).flatten(0, -2) if ctx.is_source else kept
        d_down = (d_inner.t() @ rows).float()
        d_up = (gradient.t() @ inner).float().mul_(ctx.scaling)
        return d_hidden, d_dropped, None, None, None, d_down, d_up, None
