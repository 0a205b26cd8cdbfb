"""What a model's attention is, as far as it decides whether another function can stand in its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# logits may differ by this share of their spread; a wrong position, a window, or the sight of another
# example moves them by far more
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_TOLERANCE = 0.1


def find_attention_obstacle(model: Any) -> str | None:
    """Why a model's attention cannot be replaced, in a few words; None if it is softmax(QK)V over everything before."""
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or []) - {"full_attention"}
    if kinds:
        return f"it has layers of {', '.join(sorted(kinds))}"
    window = getattr(config, "sliding_window", None)
    if window is not None and getattr(config, "use_sliding_window", True):
        return f"its attention has a sliding window of {window} tokens"
    if not model._can_set_attn_implementation() and config.model_type != "gptj":
        return f"the attention of {config.model_type} is not on transformers' attention interface"
    return None


def get_bare_model(model: Any) -> Any:
    """The transformers model that peft wraps; else the model as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@contextmanager
def attending(model: Any, name: str) -> Iterator[None]:
    """Inside the block a bare model attends by the function of transformers' interface with this name, if it is on it;
    behind it as before."""
    before, is_on_interface = model.config._attn_implementation, model._can_set_attn_implementation()
    try:
        if is_on_interface:
            model.set_attn_implementation(name)
        yield
    finally:
        if is_on_interface:
            model.set_attn_implementation(before)


def is_gptj_attention(module: Any) -> bool:
    """GPT-J has an attention of its own, outside of transformers' attention interface."""
    return type(module).__name__ == "GPTJAttention"


def find_difference(ours: torch.Tensor, theirs: torch.Tensor, dtype: torch.dtype) -> str | None:
    """How far logits are from the model's own, (rows, vocabulary) each, in a few words; None if that is rounding.

    Args:
        dtype: the model's; its logits may be of a finer one than what they were computed in.
    """
    expected = theirs.float()
    spread = (expected - expected.mean(-1, keepdim=True)).abs().max()
    apart = float((ours.float() - expected).abs().max() / spread)
    # what is no number is not below either
    if apart <= TOLERANCE.get(dtype, HALF_TOLERANCE):
        return None
    return f"differ from the model's own by {apart:.0%} of their spread"
