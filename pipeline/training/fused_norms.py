"""RMS norms (Zhang & Sennrich 2019) of frozen weights that keep their input and a number a row, and nothing else.

transformers spells the norm out in six operations, most of which keep a copy of their input in fp32.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily

# where modules hold the number that is added to the mean square
EPSILONS = ("variance_epsilon", "eps")


def build_norm(module: Any) -> Callable[[Tensor], Tensor] | None:
    """What stands in for a module's forward on a CPU, if it is such a norm; found by running."""
    parameters = dict(module.named_parameters())
    epsilon = next((getattr(module, name) for name in EPSILONS if hasattr(module, name)), None)
    weight = parameters.get("weight")
    if len(parameters) != 1 or weight is None or weight.dim() != 1 or weight.requires_grad or epsilon is None:
        return None
    if hasattr(module, "_hf_hook") or (is_shifted := _find_shift(module, epsilon)) is None:
        return None
    original = module.forward

    def forward(hidden: Tensor) -> Tensor:
        weight = module.weight
        if hidden.device.type != "cpu" or hidden.dtype != weight.dtype:
            return original(hidden)
        return _RmsNorm.apply(hidden, weight, epsilon, is_shifted)

    return forward


def _find_shift(module: Any, epsilon: float) -> bool | None:
    """Whether it multiplies by its weight, which is False, or as Gemma by 1 + weight; None if by neither."""
    kind = type(module)
    # a dry run's weights have no values
    with unset_fake_temporarily(), torch.no_grad():
        numbers, weight = torch.linspace(-1, 2, 8).view(2, 4), torch.linspace(0.5, 2, 4)
        twin = kind.__new__(kind)
        twin.__dict__ = {**vars(module), "_parameters": {"weight": weight}}
        try:
            theirs = kind.forward(twin, numbers)
        except Exception:
            # another signature
            return None
        for is_shifted in (False, True):
            if torch.allclose(_RmsNorm.apply(numbers, weight, epsilon, is_shifted), theirs, atol=1e-6):
                return is_shifted
    return None


class _RmsNorm(torch.autograd.Function):
    """x / sqrt(mean(x²) + ε) w, in fp32, rounded as Llama and Gemma do: before, and behind the weight."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, epsilon: float, is_shifted: bool) -> Tensor:
        """`hidden`: (…, width); `weight`: (width,); `is_shifted`: 1 + weight is meant."""
        norms = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = norms.square_().div_(hidden.shape[-1]).add_(epsilon).rsqrt_()
        scale = weight.float() + 1 if is_shifted else weight.float()
        ctx.save_for_backward(hidden, inverse, scale)
        output = hidden * inverse
        return output.mul_(scale).to(hidden.dtype) if is_shifted else output.to(hidden.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Of the input alone."""
        hidden, inverse, scale = ctx.saved_tensors
        scaled, wide = gradients[0] * scale, hidden.float()
        # the mean square's share
        share = torch.linalg.vecdot(scaled, wide)[..., None].mul_(inverse.pow(3)).div_(-hidden.shape[-1])
        return scaled.mul_(inverse).addcmul_(wide, share).to(hidden.dtype), None, None, None
