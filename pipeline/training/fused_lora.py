"""LoRA layers (Hu et al. 2021) in the precision of the frozen weights, the update added by the products themselves."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from peft.tuners.lora import Linear
from torch import Tensor
from torch.nn.functional import gelu
from transformers.pytorch_utils import Conv1D

# where a GELU's output names its input
SOURCE = "gelu_source"


class Weights(NamedTuple):
    """x W + b + s (x A) B of a frozen W.

    Attributes:
        weight: (in, out).
        bias: (out,), or None.
        down: A', (r, in), and
        up: B', (out, r); both None without an update.
        scaling: s.
    """

    weight: Tensor
    bias: Tensor | None
    down: Tensor | None = None
    up: Tensor | None = None
    scaling: float = 1.0

    def in_its_precision(self) -> "Weights":
        """With factors in the precision of the frozen weights."""
        if self.down is None or self.up is None:
            return self
        return self._replace(down=self.down.to(self.weight.dtype), up=self.up.to(self.weight.dtype))


def is_plain_lora(module: Any) -> bool:
    """Whether it is peft's plain LoRA over a plain linear layer, whose weights are here and not offloaded."""
    if type(module) is not Linear or len(module.active_adapters) != 1:
        return False
    name = module.active_adapters[0]
    is_ours = name in module.lora_A and name not in module.lora_variant and not module.lora_bias[name]
    return is_ours and is_plain_linear(module.base_layer)


def is_plain_linear(module: Any) -> bool:
    """Whether it is a linear layer whose weights are here, not quantized and not offloaded."""
    return type(module) in (torch.nn.Linear, Conv1D) and not hasattr(module, "_hf_hook")


def is_switched_off(layer: Any, hidden: Tensor) -> bool:
    """Whether a layer is to be computed as peft does: its update is off or part of W, or autocast mixes precisions."""
    base = layer.base_layer
    mixed = torch.is_autocast_enabled(hidden.device.type) and base.weight.dtype == torch.float32
    return layer.disable_adapters or layer.merged or mixed


def get_weights(layer: Any) -> Weights:
    """Of a layer that `is_plain_lora`, or `is_plain_linear`."""
    if not isinstance(layer, Linear):
        # rows by columns, whichever way the layer stores them
        return Weights(layer.weight if isinstance(layer, Conv1D) else layer.weight.t(), layer.bias)
    name = layer.active_adapters[0]
    factors = (factor[name].weight for factor in (layer.lora_A, layer.lora_B))
    return Weights(*get_weights(layer.base_layer)[:2], *factors, layer.scaling[name])


def get_dropout(layer: Any) -> Any:
    """The module before a LoRA layer's first factor."""
    return layer.lora_dropout[layer.active_adapters[0]]


def build_lora(layer: Any) -> Callable[..., Tensor]:
    """What stands in for the forward of a layer that `is_plain_lora`."""
    original, dropout = layer.forward, get_dropout(layer)

    def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if is_switched_off(layer, hidden) or args or kwargs:
            return original(hidden, *args, **kwargs)
        weights = get_weights(layer)
        source = getattr(hidden, SOURCE, None)
        hidden = hidden.to(weights.weight.dtype)
        dropped = hidden if isinstance(dropout, torch.nn.Identity) else dropout(hidden)
        return _LoraLinear.apply(hidden, dropped, source, *weights)

    return forward


class _LoraLinear(torch.autograd.Function):
    """x W + b + s (x A) B, for a frozen W, in the precision of W (Hu et al. 2021, equation 3).

    peft adds the update in a tensor of its own and keeps the input twice more, in fp32 and in the compute precision;
    here the update is added by the matrix product itself and the input is kept once.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, dropped: Tensor, source: Tensor | None, *given: Any) -> Tensor:
        """`hidden` and, after dropout, `dropped`: (…, in); `source`: of which `hidden` is the GELU, if it is one;
        `given`: `Weights`, one by one."""
        rows, rows_dropped = hidden.flatten(0, -2), dropped.flatten(0, -2)
        weights = Weights(*given).in_its_precision()
        output, inner = multiply(rows, rows_dropped, weights)
        ctx.scaling, ctx.is_dropped = weights.scaling, dropped is not hidden
        ctx.is_source = source is not None and not ctx.is_dropped
        kept = source if ctx.is_source else rows_dropped
        ctx.save_for_backward(kept, inner, weights.weight, weights.down, weights.up)
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
        factors = multiply_factors_back(gradient, rows, inner, d_inner, ctx.scaling)
        return d_hidden, d_dropped, None, None, None, *factors, None


def multiply(rows: Tensor, dropped: Tensor, weights: Weights) -> tuple[Tensor, Tensor | None]:
    """What a layer makes of rows, (rows, out), and of the first factor, (rows, r); the factors in its precision."""
    weight, bias, down, up, scaling = weights
    output = rows @ weight if bias is None else torch.addmm(bias, rows, weight)
    if down is None or up is None:
        return output, None
    inner = dropped @ down.t()
    return output.addmm_(inner, up.t(), alpha=scaling), inner


def multiply_factors_back(
    gradient: Tensor, rows: Tensor, inner: Tensor, d_inner: Tensor, scaling: float
) -> tuple[Tensor, Tensor]:
    """Gradients of both factors, in fp32.

    Args:
        gradient: of the layer's output.
        rows: what the first factor read, and `inner`, what it made of it; `d_inner`: its gradient.
    """
    return (d_inner.t() @ rows).float(), (gradient.t() @ inner).float().mul_(scaling)
