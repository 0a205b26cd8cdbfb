"""What shapes a tuned model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.params.file_sections import GenerationParams
    from pipeline.params.model_sections import LoraParams, ModelParams, PromptTuningParams, TrainParams
    from pipeline.training.log import Listener


@dataclass(frozen=True)
class Recipe:
    """What shapes a tuned model: the seed and sections of params.yaml; no `prompt_tuning` where none can be, and
    `generation` where whole texts are learnt. `on_log` shapes nothing: it is told the losses while the model is tuned.
    """

    seed: int
    model: "ModelParams"
    lora: "LoraParams"
    prompt_tuning: "PromptTuningParams | None"
    train: "TrainParams"
    generation: "GenerationParams | None" = None
    on_log: "Listener | None" = None


def get_tunable_params(recipe: Recipe) -> "ModelParams":
    """The `model` section to load with: weights that are tuned themselves are kept in fp32 beside mixed precision."""
    return recipe.model.model_copy(update={"precision": "fp32"}) if recipe.train.method == "full" else recipe.model
