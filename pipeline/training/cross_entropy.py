"""Cross-entropy over a large vocabulary in few passes over the logits, chunk by chunk."""

from typing import Any

import torch
from torch import Tensor

# logits whose softmax is taken at once: in fp32 they fit a CPU's cache
CHUNK = 2**22


def sum_cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, summed, fp32: `torch.nn.functional.cross_entropy` without a copy of all logits in fp32.

    Args:
        logits: (labels, vocabulary), in any precision; what stands behind those is left out.
        labels: (labels,)
    """
    return _CrossEntropy.apply(logits, labels, label_smoothing)


class _CrossEntropy(torch.autograd.Function):
    """The gradient is made with the loss, while a chunk's softmax is at hand (as in Liger, Hsu et al., 2410.10989)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        # fp16 would round small probabilities to zero before the gradient scaler can lift them
        kept = torch.float32 if logits.dtype == torch.float16 else logits.dtype
        gradient = torch.empty_like(logits, dtype=kept) if ctx.needs_input_grad[0] else None
        total = logits.new_zeros((), dtype=torch.float32)
        size, vocabulary = max(1, CHUNK // logits.shape[1]), logits.shape[1]
        for start in range(0, len(labels), size):
            wanted = labels[start : start + size, None]
            chunk = logits[start : start + len(wanted)]
            shares = chunk.softmax(1, dtype=torch.float32)
            # from the highest, whose share is never rounded to zero
            highest, place = chunk.max(1, keepdim=True)
            normalizer = highest.float() - shares.gather(1, place).log()
            total += (normalizer - (1 - smoothing) * chunk.gather(1, wanted).float()).sum()
            if smoothing:
                total -= smoothing * chunk.sum(dtype=torch.float32) / vocabulary
            if gradient is not None:
                if smoothing:
                    shares -= smoothing / vocabulary
                shares.scatter_add_(1, wanted, shares.new_full(wanted.shape, smoothing - 1))
                gradient[start : start + len(wanted)] = shares
        if gradient is not None:
            gradient[len(labels) :] = 0
        ctx.save_for_backward(gradient)
        ctx.dtype = logits.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """The loss's own gradient scales what `forward` made, in place: a loss is followed back once."""
        return ctx.saved_tensors[0].mul_(gradients[0]).to(ctx.dtype), None, None
