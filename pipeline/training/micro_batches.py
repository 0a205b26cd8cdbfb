"""How many of an update's examples are read at once; the others are accumulated."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from pipeline.models.methods import count_parameters
from pipeline.progress import announce

if TYPE_CHECKING:
    from pipeline.params.model_sections import TrainParams
    from pipeline.params.reading import Params
    from pipeline.training.batches import Feature
    from pipeline.training.recipe import Recipe

# A step on a CPU reads at least so many tokens; of a small model as many more that they times its weights are so many
# multiplications, beside which what a step costs by itself does not count; and where most weights are tuned, as many
# that adding their gradients up does not. Measured by benchmarks/train_step.py.
TOKENS = 768
MULTIPLICATIONS = 12 * 10**9
TOKENS_WHERE_ALL_IS_TUNED = 4096


def fit_batch(recipe: "Recipe | Params", features: "Sequence[Feature]", model: Any, device: str) -> "TrainParams":
    """As `split_batch` for these examples; says so."""
    split = split_batch(recipe, round(median(len(feature["input_ids"]) for feature in features)), model, device)
    if split != recipe.train:
        update = split.per_device_train_batch_size * split.gradient_accumulation_steps
        announce(
            f"train: the {update} examples of an update are read {split.per_device_train_batch_size} at a time, "
            "for more would take memory and no less time"
        )
    return split


def split_batch(recipe: "Recipe | Params", tokens: int, model: Any, device: str) -> "TrainParams":
    """The `train` section, on a CPU with no more examples a step than make it fast, and as many an update as before.

    What lies between a step's layers takes the less memory, and more of it stays in the caches. Quantized weights are
    made whole in every step, so there the steps stay as they are.

    Args:
        tokens: of an example.
        model: its trainable part attached.
    """
    params = recipe.train
    if device != "cpu" or recipe.model.quantization:
        return params
    trainable, total = count_parameters(model)
    least = max(TOKENS, MULTIPLICATIONS / total, TOKENS_WHERE_ALL_IS_TUNED * trainable / total)
    while (fewer := halve_batch(params)) and fewer.per_device_train_batch_size * tokens >= least:
        params = fewer
    return params


def halve_batch(params: "TrainParams") -> "TrainParams | None":
    """At most half as many examples a step, accumulated so that an update sees as many as before; None for one."""
    update = params.per_device_train_batch_size * params.gradient_accumulation_steps
    sizes = [size for size in range(1, params.per_device_train_batch_size // 2 + 1) if update % size == 0]
    if not sizes:
        return None
    changes = {"per_device_train_batch_size": sizes[-1], "gradient_accumulation_steps": update // sizes[-1]}
    return params.model_copy(update=changes)
