"""train: processed train and validation examples and a base in; an adapter (or a whole model) and its metrics out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models.loading import load_model
from pipeline.models.methods import get_virtual_tokens
from pipeline.training.objectives import build_objective, refuse_other_kind
from pipeline.training.recipe import Recipe, get_tunable_params
from pipeline.training.tuning import tune

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.base import BaseModel, Pins
    from pipeline.models.prompts import PromptBuilder


@dataclass(frozen=True)
class Tuned:
    """What training leaves.

    Args:
        model: adapted, or tuned itself.
        details: of details/train.json; metrics/train.json are `select_metrics` of them.
        history: of plots/train.csv.
    """

    model: Any
    tokenizer: "PreTrainedTokenizerBase"
    details: dict[str, Any]
    history: "pd.DataFrame"


def train(
    base: "BaseModel",
    builder: "PromptBuilder",
    examples: "dict[str, pd.DataFrame]",
    recipe: Recipe,
    checkpoints: Path,
    teacher: "Pins",
) -> Tuned:
    """Loads the base and tunes it.

    Args:
        builder: the base's prompts, which will leave room for what is trained in front of them.
        examples: `train` and `valid` frames.
        checkpoints: the run's folder; a killed run goes on from there.
        teacher: as pretrain pinned it; empty for none.

    Raises:
        InputError: if base or teacher cannot be loaded, memory ran out, or the loss stopped being a number.
    """
    builder = builder.reserve(get_virtual_tokens(recipe.train.method, recipe.prompt_tuning))
    tunable, is_placed = get_tunable_params(recipe), recipe.train.parallel != "fsdp"
    model, tokenizer = load_model(base, tunable, special_tokens=builder.special_tokens, is_placed=is_placed)
    objective = build_objective(recipe.train, recipe.model, tokenizer, teacher)
    if objective.teacher is not None:
        refuse_other_kind(str(recipe.train.distill.teacher), objective.teacher.config, builder.is_encoder_decoder)
    trainer, details, history = tune(model, builder, examples, recipe, objective, checkpoints)
    return Tuned(trainer.model, tokenizer, details, history)


def select_metrics(details: dict[str, Any]) -> dict[str, Any]:
    """metrics/train.json: what a table of experiments shows."""
    return {name: details[name] for name in ("valid_loss", "valid_rouge", "examples_per_second") if name in details}
