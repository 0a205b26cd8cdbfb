"""Several models that write together: each next token by the mean of their probabilities."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.decoding.backbone import Backbone


class AveragedBackbone(Backbone):
    """Runs models that read and write the same tokens over the same rows, each with a cache of its own.

    The mean is of probabilities, not of their logarithms: what one model thinks impossible another may still say
    (an ensemble as in Sutskever et al. 2014, section 3.6).

    Args:
        models: two or more, each as `Backbone` takes it.
        suffix_length: most tokens of a row, the one that begins it included.
    """

    def __init__(self, models: Sequence[Any], suffix_length: int):
        super().__init__(models[0], suffix_length)
        self.others = [Backbone(model, suffix_length) for model in models[1:]]

    def reset(self) -> None:
        super().reset()
        for other in self.others:
            other.reset()

    def prefill(self, prompts: Sequence[list[int]]) -> None:
        super().prefill(prompts)
        for other in self.others:
            other.prefill(prompts)

    def arrange(self, parents: Sequence[int], filled: int) -> list[int]:
        places = super().arrange(parents, filled)
        for other in self.others:
            other.arrange(parents, filled)
        return places

    def release(self, slot: int) -> int:
        last = super().release(slot)
        for other in self.others:
            other.release(slot)
        return last

    def step(self, tokens: Sequence[int], documents: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """As `Backbone.step`; logarithms of mean probabilities, in fp32."""
        total = torch.log_softmax(super().step(tokens, documents, lengths).float(), -1)
        for other in self.others:
            own = torch.log_softmax(other.step(tokens, documents, lengths).float(), -1)
            total = torch.logaddexp(total, own.to(total.device))
        return total - math.log(1 + len(self.others))
