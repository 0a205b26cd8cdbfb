"""A model tuned: its trainable part attached, and trained by Hugging Face's `Trainer`, which does the loop, resuming,
accumulation and DDP."""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import InputError
from pipeline.models.damage import refuse_damage, refuse_unwritable
from pipeline.models.devices import select_device, select_precision
from pipeline.models.loading import keep_differentiable
from pipeline.models.methods import VIRTUAL_TOKENS, attach_method, count_parameters
from pipeline.progress import hush
from pipeline.training.arguments import build_arguments, build_callbacks
from pipeline.training.batches import Feature, build_collator, build_features
from pipeline.training.checkpoints import find_last_checkpoint
from pipeline.training.fused import fused, is_fused
from pipeline.training.log import HistoryCallback, WindowCallback, build_history, list_losses, list_validations
from pipeline.training.micro_batches import fit_batch
from pipeline.training.objectives import Objective, build_rouge
from pipeline.training.out_of_memory import train_within_memory
from pipeline.training.packed_model import packed
from pipeline.training.recipe import Recipe
from pipeline.training.sharding import gather_weights, set_up_sharding, shard_tied
from pipeline.training.trainer import SummaryTrainer
from pipeline.training.whole_texts import build_whole_text_features

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase
    from transformers.trainer_utils import TrainOutput

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.model_sections import TrainParams

Kind = TypeVar("Kind", bound=SummaryTrainer)


# what to do about a damaged checkpoint
REPEAT = "remove that folder, and training goes on from the one before, or from the start"


def tune(
    model: Any,
    builder: "PromptBuilder",
    examples: "dict[str, pd.DataFrame]",
    recipe: Recipe,
    objective: Objective,
    folder: Path,
) -> "tuple[SummaryTrainer, dict[str, Any], pd.DataFrame]":
    """Attaches the method's trainable part and trains it; goes on from a checkpoint that a killed run left.

    Args:
        examples: `train` and `valid` frames.

    Returns:
        The trainer with its model; metrics (losses in nats a token, over the summary's tokens); and a frame of `step`,
        `loss`, `learning_rate`.

    Raises:
        InputError: if memory ran out, the loss stopped being a number, or what is to be tuned was offloaded.
    """
    if recipe.generation is not None:
        features = build_whole_text_features(examples, builder, recipe)
        return tune_on_features(model, builder.tokenizer, features, recipe, objective, folder)
    features = {name: build_features(frame, builder) for name, frame in examples.items()}
    if recipe.train.metric_for_best_model == "rouge":
        objective = replace(objective, rouge=build_rouge(builder, examples["valid"], recipe.train))
    return tune_on_features(model, builder.tokenizer, features, recipe, objective, folder)


def tune_on_features(
    model: Any,
    tokenizer: "PreTrainedTokenizerBase",
    features: Mapping[str, Sequence[Feature]],
    recipe: Recipe,
    objective: Objective,
    folder: Path,
) -> "tuple[SummaryTrainer, dict[str, Any], pd.DataFrame]":
    """As `tune`, of examples that are token ids already: `train` and `valid`. With method `none` it only validates."""
    method, sizes = recipe.train.method, recipe.train
    keep_differentiable(model)
    collator = build_collator(model, tokenizer.pad_token_id, method in VIRTUAL_TOKENS, objective.teacher)
    adapted = attach_method(model, method, recipe.lora, recipe.prompt_tuning, tokenizer, recipe.seed)
    _refuse_offloaded(adapted)
    if is_sharded := sizes.parallel == "fsdp":
        shard_tied(adapted)
    given = {"model": adapted, "features": features["train"], "eval_dataset": features["valid"]}
    given |= {"data_collator": collator, "objective": objective}
    readers = [reader for reader in (adapted, objective.teacher) if reader is not None]
    with fused(adapted), packed(*readers) if collator.layout == "packed" else nullcontext() as packing:
        build = partial(build_trainer, SummaryTrainer, recipe, folder, {**given, "packing": packing})
        if method == "none":
            trainer = build(sizes)
            return trainer, *describe(trainer, {"eval_loss": trainer.evaluate()["eval_loss"]})
        sizes = fit_batch(recipe, features["train"], adapted, select_device())
        trained = train_within_memory(build, run_trainer, sizes, folder)
    if is_sharded:
        gather_weights(trained[0].model)
    return trained


def build_trainer(kind: type[Kind], recipe: Recipe, folder: Path, given: dict[str, Any], sizes: "TrainParams") -> Kind:
    """A trainer of an adapted model, with the batch of `sizes`."""
    model = given["model"]
    precision = select_precision(recipe.model.precision, select_device(), model.config.model_type)
    # fused weights compute in their own precision, as in decoding; autocast would only copy
    mixed = "fp32" if precision == "bf16" and is_fused(model) else precision
    arguments = build_arguments(sizes, mixed, folder, recipe.seed)
    if sizes.parallel == "fsdp":
        set_up_sharding()
    callbacks = [
        *build_callbacks(sizes),
        WindowCallback(),
        *([HistoryCallback(recipe.on_log)] if recipe.on_log else []),
    ]
    trainer = kind(params=sizes, args=arguments, callbacks=callbacks, **given)
    hush(trainer)
    return trainer


def _refuse_offloaded(model: Any) -> None:
    if any(weights.is_meta for weights in model.parameters() if weights.requires_grad):
        # Accelerate brings an offloaded layer's weights in for its forward pass alone
        raise InputError(
            "model.device_map: auto put layers off the device for want of memory; they can decode and not be tuned: "
            "set model.quantization, or take a smaller model"
        )


def go_on(trainer: SummaryTrainer) -> "TrainOutput":
    """Trains, going on from the last checkpoint if a killed run left one. Raises InputError if that is damaged."""
    last = find_last_checkpoint(Path(trainer.args.output_dir))
    with refuse_damage(last, REPEAT), refuse_unwritable(Path(trainer.args.output_dir)):
        return trainer.train(resume_from_checkpoint=str(last) if last else None)


def run_trainer(trainer: SummaryTrainer) -> "tuple[dict[str, Any], pd.DataFrame]":
    """Trains, going on from the last checkpoint if a killed run left one.

    Returns:
        Metrics and the history, as `tune` gives them.

    Raises:
        InputError: if the loss stopped being a number.
    """
    result = go_on(trainer)
    metrics, history = describe(trainer, result.metrics)
    if not all(map(math.isfinite, (result.training_loss, metrics["valid_loss"]))):
        raise InputError("train: the loss is not a number any more; lower train.learning_rate or use precision fp32")
    return metrics, history


def describe(trainer: SummaryTrainer, result: dict[str, float]) -> "tuple[dict[str, Any], pd.DataFrame]":
    """details/train.json and plots/train.csv of a run."""
    history = trainer.state.log_history
    steps, checked = list_losses(history), list_validations(history)
    validated = [entry for entry in history if "eval_loss" in entry]
    best = [entry for entry in validated if entry["step"] == trainer.state.best_global_step]
    # of the weights that are kept
    kept = best[0] if trainer.args.load_best_model_at_end and best else validated[-1]
    trainable, total = count_parameters(trainer.model)
    metrics: dict[str, Any] = {
        "valid_loss": round(kept["eval_loss"], 4),
        "steps": trainer.state.global_step,
        "trainable_parameters": trainable,
        "parameters": total,
        "per_device_train_batch_size": trainer.args.per_device_train_batch_size,
        "gradient_accumulation_steps": trainer.args.gradient_accumulation_steps,
    }
    if steps or "train_loss" in result:
        metrics["train_loss"] = round(steps[-1]["loss"] if steps else result["train_loss"], 4)
    if "train_samples_per_second" in result:
        metrics["examples_per_second"] = round(result["train_samples_per_second"], 1)
    if "eval_rouge" in kept:
        metrics["valid_rouge"] = round(kept["eval_rouge"], 4)
    if steps and checked:
        metrics["validation"] = checked
    return metrics, build_history(history)
