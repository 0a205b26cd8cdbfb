"""How the learning rate moves, and what moves the weights."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LambdaLR

    from pipeline.params.model_sections import TrainParams

WARM_RESTARTS = "cosine_warm_restarts"


def compute_warm_restart_factor(step: int, warmup_steps: int, first: int, growth: int) -> float:
    """The learning rate at an update as a share of its peak: SGDR (Loshchilov & Hutter 2017, equation 5) after a rise.

    Args:
        step: updates done.
        warmup_steps: updates over which the rate rises from 0.
        first: updates of the first cycle, `T_0`.
        growth: factor by which each cycle is longer than the one before, `T_mult`.
    """
    if step < warmup_steps:
        return step / warmup_steps
    position, length = step - warmup_steps, first
    while position >= length:
        position, length = position - length, length * growth
    return (1 + math.cos(math.pi * position / length)) / 2


def build_warm_restarts(optimizer: "torch.optim.Optimizer", params: "TrainParams") -> "LambdaLR":
    """torch's CosineAnnealingWarmRestarts with warm-up, as one scheduler whose state a checkpoint can hold."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(
        optimizer, lambda step: compute_warm_restart_factor(step, params.warmup_steps, params.T_0, params.T_mult)
    )


def get_optimizer(params: "TrainParams") -> tuple[Any, dict[str, Any]]:
    """Class and arguments of the optimizer: AdamW (Loshchilov & Hutter 2019) or Adam (Kingma & Ba 2015), fused."""
    import torch

    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[params.optim], {"lr": params.learning_rate, "fused": True}
