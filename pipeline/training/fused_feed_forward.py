"""Gated feed-forward parts (Shazeer 2020), as Llama's: down(act(gate(x)) up(x)), frozen, with LoRA or without.

Kept are the input and what the two layers make of it; the product that the last layer reads is computed again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.nn.functional import gelu, silu
from transformers.activations import GELUActivation, SiLUActivation

from pipeline.training.fused_lora import (
    Weights,
    get_dropout,
    get_weights,
    is_plain_linear,
    is_plain_lora,
    is_switched_off,
    multiply,
    multiply_factors_back,
)

LAYERS = ("gate_proj", "up_proj", "down_proj")
ACTIVATION = "act_fn"
# that are quickly computed again, which a tanh is not, and what goes back through them
Activation = tuple[Callable[..., Tensor], Callable[..., Tensor]]
SILU: Activation = (silu, torch.ops.aten.silu_backward)
GELU: Activation = (gelu, torch.ops.aten.gelu_backward)
ACTIVATIONS: dict[type, Activation] = {torch.nn.SiLU: SILU, SiLUActivation: SILU, GELUActivation: GELU}


def build_feed_forward(module: Any) -> Callable[..., Tensor] | None:
    """What stands in for a module's forward on a CPU, if it is such a part; found by running."""
    children = dict(module.named_children())
    activation = ACTIVATIONS.get(type(children.get(ACTIVATION)))
    if children.keys() != {*LAYERS, ACTIVATION} or activation is None or not _is_gated(module, children[ACTIVATION]):
        return None
    layers = [children[name] for name in LAYERS]
    if not all(map(_can_fuse, layers)):
        return None
    original, adapted = module.forward, [layer for layer in layers if not is_plain_linear(layer)]

    def forward(hidden: Tensor) -> Tensor:
        if hidden.device.type != "cpu" or any(is_switched_off(layer, hidden) for layer in adapted):
            return original(hidden)
        weights = [get_weights(layer) for layer in layers]
        if torch.is_autocast_enabled("cpu") and weights[0].weight.dtype == torch.float32:
            return original(hidden)
        return _FeedForward.apply(hidden.to(weights[0].weight.dtype), activation, *(t for w in weights for t in w))

    return forward


def _can_fuse(layer: Any) -> bool:
    if is_plain_lora(layer):
        return isinstance(get_dropout(layer), torch.nn.Identity)
    return is_plain_linear(layer) and not any(weights.requires_grad for weights in layer.parameters())


def _is_gated(module: Any, activation: Any) -> bool:
    """Whether a module's own forward is that formula; asked with small layers in the place of its own."""
    kind = type(module)
    # a dry run's weights have no values
    with unset_fake_temporarily(), torch.no_grad():
        small = [torch.nn.Linear(wide, narrow) for wide, narrow in ((2, 3), (2, 3), (3, 2))]
        for factor, layer in enumerate(small, 1):
            layer.weight.copy_(torch.linspace(-1, 2, 6).view(layer.weight.shape) * factor)
        twin = kind.__new__(kind)
        children = {**dict(zip(LAYERS, small, strict=True)), ACTIVATION: activation}
        twin.__dict__ = {**vars(module), "_modules": children}
        rows, (gate, up, down) = torch.linspace(-1, 2, 6).view(3, 2), small
        try:
            theirs = kind.forward(twin, rows)
        except Exception:
            # another signature
            return False
        return torch.allclose(down(activation(gate(rows)) * up(rows)), theirs)


class _FeedForward(torch.autograd.Function):
    """All three layers; their gradients are added up by the products."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, activation: Activation, *given: Any) -> Tensor:
        """`hidden`: (…, width); `given`: the `Weights` of three layers, one by one."""
        size = len(Weights._fields)
        layers = [Weights(*given[i : i + size]).in_its_precision() for i in range(0, len(given), size)]
        rows = hidden.flatten(0, -2)
        (gate, inner_gate), (wide, inner_wide) = (multiply(rows, rows, layer) for layer in layers[:2])
        product = activation[0](gate).mul_(wide)
        output, inner = multiply(product, product, layers[2])
        ctx.activation, ctx.scalings = activation, [layer.scaling for layer in layers]
        matrices = [matrix for layer in layers for matrix in (layer.weight, layer.down, layer.up)]
        ctx.save_for_backward(rows, gate, wide, inner_gate, inner_wide, inner, *matrices)
        return output.view(*hidden.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Of the input, and of the factors in fp32, as their optimizer holds them."""
        rows, gate, wide, *saved = ctx.saved_tensors
        inners, matrices = saved[:3], saved[3:]
        layers = [
            Weights(weight, None, down, up, scaling)
            for weight, down, up, scaling in zip(*(matrices[i::3] for i in range(3)), ctx.scalings, strict=True)
        ]
        activate, go_back = ctx.activation
        gradient, active = gradients[0].flatten(0, -2), activate(gate)
        is_adapted = layers[2].down is not None
        d_product, last = _go_back(gradient, active * wide if is_adapted else None, inners[2], layers[2])
        d_gate = go_back(d_product * wide, gate)
        d_wide = d_product.mul_(active)
        d_rows, first = _go_back(d_gate, rows, inners[0], layers[0])
        d_rows, second = _go_back(d_wide, rows, inners[1], layers[1], d_rows)
        return d_rows.view(gradients[0].shape), None, *first, *second, *last


def _go_back(
    gradient: Tensor, rows: Tensor | None, inner: Tensor | None, layer: Weights, total: Tensor | None = None
) -> tuple[Tensor, tuple[Any, ...]]:
    """Gradients of what a layer reads, on top of a total of the same shape, and of the fields of its `Weights`."""
    weight, _, down, up, scaling = layer
    d_rows = gradient @ weight.t() if total is None else total.addmm_(gradient, weight.t())
    if down is None or up is None or rows is None or inner is None:
        return d_rows, (None,) * len(layer)
    d_inner = (gradient @ up).mul_(scaling)
    factors = multiply_factors_back(gradient, rows, inner, d_inner, scaling)
    return d_rows.addmm_(d_inner, down), (None, None, *factors, None)
