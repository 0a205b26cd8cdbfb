"""refine: a tuned model and candidates of its training documents in; the same adapter, taught by them, out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models.adapter import load_method
from pipeline.models.loading import keep_differentiable, load_model
from pipeline.training.recipe import Recipe, get_tunable_params
from pipeline.training.refinement import describe, keeps_start
from pipeline.training.refinement import refine as go_on_training

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.base import BaseModel
    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.refine_sections import RefineParams


@dataclass(frozen=True)
class Refined:
    """What refining leaves.

    Args:
        model: None where nothing was better than the model that train left.
        details: of details/refine.json; metrics/refine.json are `select_metrics` of them.
        history: of plots/refine.csv.
    """

    model: Any
    tokenizer: "PreTrainedTokenizerBase"
    details: dict[str, Any]
    history: "pd.DataFrame"


def refine(
    tuned: "tuple[BaseModel, Path]",
    builder: "PromptBuilder",
    examples: "dict[str, pd.DataFrame]",
    recipe: Recipe,
    params: "RefineParams",
    checkpoints: Path,
) -> Refined:
    """Loads what train left and goes on training it.

    Args:
        tuned: the base, and the folder of its adapter.
        builder: the base's prompts, which will leave room for what stands in front of them.
        examples: `train` and `valid` frames; and `explored`, `pipeline.tables.EXPLORED`.
        recipe: of the train stage.
        checkpoints: the run's folder; a killed run goes on from there.

    Raises:
        InputError: if the model cannot be loaded, memory ran out, or the loss stopped being a number.
    """
    base, adapter = tuned
    method = load_method(adapter)
    builder = builder.reserve(method["virtual_tokens"])
    model, tokenizer = load_model(base, get_tunable_params(recipe), adapter, is_trainable=True)
    if method["method"] == "full":
        model.requires_grad_(True)
    keep_differentiable(model)
    trainer = go_on_training(model, builder, examples, recipe, params, checkpoints)
    return Refined(None if keeps_start(trainer) else trainer.model, tokenizer, *describe(trainer))


def select_metrics(details: dict[str, Any]) -> dict[str, Any]:
    """metrics/refine.json: what a table of experiments shows, as shares; empty if refine is off."""
    return {name: round(details[name] / 100, 4) for name in ("valid_rouge_before", "valid_rouge") if name in details}


def describe_run(details: dict[str, Any]) -> str:
    """One line about what refining brought."""
    before, after, kept = (details[name] for name in ("valid_rouge_before", "valid_rouge", "kept_step"))
    if not kept:
        return f"refine: no state scored above ROUGE {before} on validation, so models/adapter is used as it is"
    return f"refine: ROUGE {before} -> {after} on validation after {kept} of {details['steps']} updates"
