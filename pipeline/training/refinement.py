"""A tuned model that goes on learning, from what it and its likes wrote for the training documents."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipeline.errors import InputError
from pipeline.models.attentions import get_bare_model
from pipeline.models.devices import is_out_of_memory
from pipeline.models.likelihoods import compute_log_probabilities, select_way
from pipeline.models.methods import VIRTUAL_TOKENS, count_parameters
from pipeline.training.batches import build_collator, build_features
from pipeline.training.candidate_features import Document, DocumentCollator, build_documents
from pipeline.training.candidate_features import build_features as build_document_features
from pipeline.training.candidate_losses import estimate_margin
from pipeline.training.drift import build_writing
from pipeline.training.fused import fused
from pipeline.training.objectives import Objective
from pipeline.training.packed_model import packed
from pipeline.training.recipe import Recipe
from pipeline.training.refine_trainer import (
    Refinement,
    RefineTrainer,
    Watch,
    list_validations,
    read_validation,
    sum_by_text,
)
from pipeline.training.tuning import build_trainer, go_on

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.model_sections import TrainParams
    from pipeline.params.refine_sections import RefineParams

# of the updates, over which the learning rate rises; of an epoch, after which a run validates if no other is asked for
WARMUP, VALIDATIONS = 0.1, 4


def refine(
    model: Any,
    builder: "PromptBuilder",
    examples: "dict[str, pd.DataFrame]",
    recipe: Recipe,
    params: "RefineParams",
    folder: Path,
) -> RefineTrainer:
    """Trains what train left; goes on from a checkpoint that a killed run left.

    Args:
        model: what is to be tuned requires a gradient.
        examples: `train` and `valid`; and `explored`, the candidates of training documents.
        recipe: of the train stage.
        folder: of the run's checkpoints.

    Returns:
        The trainer with its model: the best state that was validated. Where none was better than the start,
        `keeps_start` of it, and its model is of no use.

    Raises:
        InputError: if memory ran out, or the loss stopped being a number.
    """
    documents = build_documents(examples["train"], examples["explored"], builder)
    collator = build_collator(
        get_bare_model(model), builder.tokenizer.pad_token_id, recipe.train.method in VIRTUAL_TOKENS
    )
    with fused(model), packed(model) if collator.layout == "packed" else nullcontext() as packing:
        given = {
            "model": model,
            "features": build_document_features(documents),
            "eval_dataset": build_features(examples["valid"], builder),
            "data_collator": DocumentCollator(collator),
            "objective": Objective(),
            "refinement": build_refinement(params, examples["explored"]),
            "watch": _build_watch(builder, examples["valid"], recipe.train, params),
            "packing": packing,
            "way": select_way(model),
        }
        trainer = build_trainer(RefineTrainer, recipe, folder, given, build_sizes(recipe.train, params, len(documents)))
        if params.method == "dpo":
            add_references(trainer, documents)
        trainer.args.per_device_eval_batch_size = recipe.train.per_device_train_batch_size
        trainer.args.logging_steps = 1
        _run(trainer)
    return trainer


def _build_watch(
    builder: "PromptBuilder", valid: "pd.DataFrame", train: "TrainParams", params: "RefineParams"
) -> Watch:
    """Greedy summaries of as many validation examples as train would summarize."""
    measure, size = (params.tokenizer, params.weights), train.per_device_train_batch_size
    return Watch(build_writing(builder, valid.head(train.rouge_examples), *measure, size))


def build_refinement(params: "RefineParams", explored: "pd.DataFrame") -> Refinement:
    """The loss of the section `refine`.

    Args:
        explored: `pipeline.tables.EXPLORED`, by whose spread an automatic margin is chosen.
    """
    margin = params.margin
    if margin == "auto":
        lengths = explored["token_ids"].map(len).clip(lower=1)
        values = explored["log_probability"] / lengths**params.length_penalty
        margin = estimate_margin(group.to_numpy() for _, group in values.groupby(explored["id"]))
    gap = params.min_gap / 100
    numbers = params.length_penalty, gap, params.sharpness, params.beta
    return Refinement(params.method, params.gamma, float(margin), *numbers)


def build_sizes(train: "TrainParams", params: "RefineParams", documents: int) -> "TrainParams":
    """The `train` section of a run that refines: a step reads one document, and an update accumulates its batch."""
    updates = math.ceil(documents / params.per_device_train_batch_size)
    changes = {
        "num_train_epochs": params.num_train_epochs,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": params.per_device_train_batch_size,
        "learning_rate": params.learning_rate or train.learning_rate / 10,
        "warmup_steps": int(WARMUP * updates * params.num_train_epochs),
        "eval_steps": params.eval_steps or math.ceil(updates / VALIDATIONS),
        "metric_for_best_model": "rouge",
        "load_best_model_at_end": True,
        "early_stopping_patience": None,
        "auto_find_batch_size": False,
        "parallel": "ddp",
    }
    return train.model_copy(update=changes)


@torch.no_grad()
def add_references(trainer: RefineTrainer, documents: Sequence[Document]) -> None:
    """Gives each document what the model finds now of its best and its worst candidate, for dpo to stay near to."""
    model: Any = trainer.model
    model.eval()
    for document in filter(trainer.refinement.is_apart, documents):
        read = trainer.refinement.select(document)
        # in the precision in which they will be compared
        with trainer.accelerator.autocast():
            values = compute_log_probabilities(model, document.prompt, read, trainer.way)
        document.before = sum_by_text(values, read).tolist()


def _run(trainer: RefineTrainer) -> None:
    """Validates the start, then trains, going on from the last checkpoint if a killed run left one."""
    try:
        # the adapter as train left it, whatever a checkpoint holds
        trainer.watch.start = read_validation(trainer.evaluate())
        result = go_on(trainer)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            "refine: out of memory with one document and its candidates; turn on train.gradient_checkpointing, lower "
            "prompt.max_document_tokens, or let explore.grid give fewer candidates"
        ) from error
    if not math.isfinite(result.training_loss):
        raise InputError("refine: the loss is not a number any more; lower refine.learning_rate or use precision fp32")


def keeps_start(trainer: RefineTrainer) -> bool:
    """Whether no state was better than the one that training left."""
    return trainer.state.best_model_checkpoint is None


def describe(trainer: RefineTrainer) -> "tuple[dict[str, Any], pd.DataFrame]":
    """details/refine.json and plots/refine.csv of a run; ROUGE in points."""
    import pandas as pd

    history, start = trainer.state.log_history, {"step": 0, **trainer.watch.start}
    validations = [_round(one) for one in [start, *list_validations(history)]]
    kept = 0 if keeps_start(trainer) else trainer.state.best_global_step
    trainable, _ = count_parameters(trainer.model)
    details = {
        "method": trainer.refinement.method,
        "documents": len(trainer.features),
        "candidates": sum(len(feature["document"].candidates) for feature in trainer.features),
        "margin": round(trainer.refinement.margin, 6),
        "read": trainer.way,
        "trainable_parameters": trainable,
        "steps": trainer.state.global_step,
        "kept_step": kept,
        "valid_rouge_before": validations[0]["rouge"],
        "valid_rouge": next(one["rouge"] for one in validations if one["step"] == kept),
        "validations": validations,
    }
    losses = {entry["step"]: entry["loss"] for entry in history if "loss" in entry}
    rouge = {one["step"]: one["rouge"] for one in validations}
    steps = sorted(losses.keys() | rouge.keys())
    rows = [(step, losses.get(step, np.nan), rouge.get(step, np.nan)) for step in steps]
    return details, pd.DataFrame(rows, columns=["step", "loss", "valid_rouge"])


def _round(validation: dict[str, float]) -> dict[str, float]:
    own = {"rouge": round(100 * validation["rouge"], 2), "length": round(validation["length"], 2)}
    return {**validation, "loss": round(validation["loss"], 4), "finished": round(validation["finished"], 4), **own}
