"""The steps of training that touch most memory, each made in fewer passes over it. The mathematics stays.

On a CPU the matrix products of a plain LoRA step are less than half of its time; the rest is reading and writing what
stands between them, and asking the system for the memory to write it to (measured by benchmarks/train_step.py).
"""

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn.functional import gelu
from transformers.activations import GELUActivation, NewGELUActivation

from pipeline.models.patches import Patch, patched
from pipeline.models.token_rows import TokenRows
from pipeline.training.fused_feed_forward import build_feed_forward
from pipeline.training.fused_lora import SOURCE, build_lora, is_plain_lora
from pipeline.training.fused_norms import build_norm


def fused(model: Any) -> AbstractContextManager[None]:
    """Inside the block, a model's LoRA layers, GELUs, RMS norms and gated feed-forward parts are computed by functions
    of this project."""
    patches: list[Patch] = []
    for module in model.modules():
        if isinstance(module, NewGELUActivation):
            # the same formula, which transformers spells out in eight operations that each keep their input
            patches.append((module, "forward", partial(gelu, approximate="tanh")))
        elif isinstance(module, GELUActivation):
            patches.append((module, "forward", _activate))
        elif is_plain_lora(module):
            patches.append((module, "forward", build_lora(module)))
        elif function := build_norm(module) or build_feed_forward(module):
            patches.append((module, "forward", function))
    return patched(patches)


def _activate(hidden: Tensor) -> Tensor:
    """A GELU whose output the linear layer behind it need not keep: it is quickly computed again. (A tanh is not.)"""
    output = gelu(hidden)
    setattr(output, SOURCE, hidden)
    return output


def is_fused(model: Any) -> bool:
    """Whether all that is tuned of a model is tuned by this package, or row by row: in the precision of the weights."""
    fitting = (m for m in model.modules() if is_plain_lora(m) or isinstance(m, TokenRows))
    ours = {id(p) for m in fitting for p in m.parameters() if p.requires_grad}
    return all(id(parameter) in ours for parameter in model.parameters() if parameter.requires_grad)
