"""The mean of several tuned models' weights: one model, that costs no more to decode than each of them did."""

from collections.abc import Iterable
from typing import Any

from pipeline.errors import InputError


def average_weights(models: "Iterable[tuple[str, Any]]") -> Any:
    """A model soup (Wortsman et al. 2022, algorithm 1): the mean of weights that were tuned from one base.

    Adapters are averaged as what they do to the weights, that is merged: the mean of LoRA's factors is another thing.

    Args:
        models: names, and models of one shape; each is loaded when it is its turn, so that two are held at once.

    Returns:
        The first model, with the mean weights of all, summed in fp32.

    Raises:
        InputError: if they have different weights.
    """
    import torch

    first, total, count = None, {}, 0
    with torch.no_grad():
        for name, model in models:
            own = {key: weight for key, weight in model.named_parameters() if weight.is_floating_point()}
            if first is None:
                first, total = model, {key: weight.float().clone() for key, weight in own.items()}
            else:
                if {key: w.shape for key, w in own.items()} != {key: w.shape for key, w in total.items()}:
                    raise InputError(f"{name}: its weights are of other shapes, so there is no mean of them")
                for key, weight in own.items():
                    total[key] += weight.to(total[key])
            count += 1
            del model, own
        if first is None:
            raise ValueError("no models")
        for key, weight in first.named_parameters():
            if key in total:
                weight.copy_(total.pop(key) / count)
    return first
