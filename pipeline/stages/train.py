"""train: processed train and validation examples and a base in; an adapter (or a whole model) and its metrics out.

The loop, resuming, accumulation and DDP are Hugging Face's `Trainer`.
"""

import json
import math
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.devices import select_device, select_precision
from pipeline.models.loading import keep_differentiable, load_teacher
from pipeline.models.methods import VIRTUAL_TOKENS, attach_method, count_parameters
from pipeline.progress import hush, is_interactive
from pipeline.training.batches import build_collator, build_features
from pipeline.training.fused import fused, is_fused
from pipeline.training.micro_batches import fit_batch
from pipeline.training.out_of_memory import train_within_memory
from pipeline.training.packing import packed
from pipeline.training.schedules import WARM_RESTARTS
from pipeline.training.trainer import Objective, SummaryTrainer

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase, TrainingArguments

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.sections import LoraParams, ModelParams, PromptTuningParams, TrainParams


@dataclass(frozen=True)
class Recipe:
    """What shapes a tuned model: the seed and four sections of params.yaml."""

    seed: int
    model: "ModelParams"
    lora: "LoraParams"
    prompt_tuning: "PromptTuningParams"
    train: "TrainParams"


def build_arguments(params: "TrainParams", precision: str, checkpoints: Path, seed: int) -> "TrainingArguments":
    """Arguments of a run that validates and checkpoints together, into the folder `checkpoints`.

    Args:
        precision: `bf16`, `fp16` or `fp32`, as `pipeline.models.devices.select_precision` gives it.
    """
    from transformers import TrainingArguments

    when: dict[str, Any] = {"save_strategy": "epoch", "eval_strategy": "epoch"}
    if params.eval_steps:
        when = dict.fromkeys(("save_strategy", "eval_strategy"), "steps")
        when |= dict.fromkeys(("save_steps", "eval_steps"), params.eval_steps)
    shared = ("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate")
    shared += ("warmup_steps", "weight_decay", "max_grad_norm", "load_best_model_at_end")
    if params.gradient_checkpointing:
        # peft's adapters get no gradient through the re-entrant kind
        when |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
    by_trainer = params.lr_scheduler_type != WARM_RESTARTS
    return TrainingArguments(
        output_dir=str(checkpoints),
        save_total_limit=1,
        prediction_loss_only=True,
        label_names=["labels"],
        remove_unused_columns=False,
        report_to="none",
        # by default the Trainer hides losses that are no numbers, and a ruined run looks well
        logging_nan_inf_filter=False,
        logging_steps=10,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=select_device() == "cpu",
        seed=seed,
        disable_tqdm=not is_interactive(),
        per_device_eval_batch_size=params.per_device_train_batch_size,
        metric_for_best_model=params.metric_for_best_model,
        greater_is_better=params.metric_for_best_model == "rouge",
        lr_scheduler_type=params.lr_scheduler_type if by_trainer else "constant",
        ddp_find_unused_parameters=False,
        **when,
        **{name: getattr(params, name) for name in shared},
    )


def find_last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in a folder, or None.

    The Trainer writes `trainer_state.json` last, so a checkpoint without a whole one was cut short by a kill or a full
    disk; such ones are removed, for the Trainer counts them when it makes room for the next.
    """
    from transformers.trainer_utils import sort_checkpoints

    if not folder.is_dir():
        return None
    for checkpoint in reversed(sort_checkpoints(str(folder))):
        try:
            json.loads((Path(checkpoint) / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            # another process of the same run may be removing it too
            shutil.rmtree(checkpoint, ignore_errors=True)
            continue
        return Path(checkpoint)
    return None


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
    tokenizer, method = builder.tokenizer, recipe.train.method
    keep_differentiable(model)
    features = {name: build_features(frame, builder) for name, frame in examples.items()}
    collator = build_collator(model, tokenizer.pad_token_id, method in VIRTUAL_TOKENS, objective.teacher)
    adapted = attach_method(model, method, recipe.lora, recipe.prompt_tuning, tokenizer, recipe.seed)
    _refuse_offloaded(adapted)
    device = select_device()
    precision = select_precision(recipe.model.precision, device, model.config.model_type)
    # fused weights compute in their own precision, as in decoding; autocast would only copy
    mixed = "fp32" if precision == "bf16" and is_fused(adapted) else precision
    by_rouge = recipe.train.metric_for_best_model == "rouge"
    rouge = build_rouge(builder, examples["valid"], recipe.train) if by_rouge else None
    readers = [reader for reader in (adapted, objective.teacher) if reader is not None]
    with fused(adapted), packed(*readers) if collator.layout == "packed" else nullcontext() as packing:

        def build(sizes: "TrainParams") -> SummaryTrainer:
            trainer = SummaryTrainer(
                features=features["train"],
                params=sizes,
                objective=objective,
                rouge=rouge,
                packing=packing,
                model=adapted,
                args=build_arguments(sizes, mixed, folder, recipe.seed),
                eval_dataset=features["valid"],
                data_collator=collator,
                callbacks=build_callbacks(sizes),
            )
            hush(trainer)
            return trainer

        if method == "none":
            trainer = build(recipe.train)
            return trainer, *describe(trainer, {"eval_loss": trainer.evaluate()["eval_loss"]})
        return train_within_memory(build, train, fit_batch(recipe, features["train"], adapted, device), folder)


def _refuse_offloaded(model: Any) -> None:
    if any(weights.is_meta for weights in model.parameters() if weights.requires_grad):
        # Accelerate brings an offloaded layer's weights in for its forward pass alone
        raise InputError(
            "model.device_map: auto put layers off the device for want of memory; they can decode and not be tuned: "
            "set model.quantization, or take a smaller model"
        )


def build_rouge(builder: "PromptBuilder", examples: "pd.DataFrame", params: "TrainParams") -> Callable[[Any], float]:
    """Gives a model's mean ROUGE-1/2/L (Mecab) of greedy summaries of `params.rouge_examples` validation examples."""
    from pipeline.decoding.generate import Decoder, decode_grid
    from pipeline.params.grid import Configuration
    from pipeline.scoring.rouge.pairs import compute_rouge

    examples = examples.head(params.rouge_examples)
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    greedy = Configuration("greedy", {"max_new_tokens": builder.params.max_summary_tokens})

    def compute(model: Any) -> float:
        decoder = Decoder(model, builder.tokenizer, params.per_device_train_batch_size, 0)
        candidates, _ = decode_grid(decoder, list(examples["id"]), prompts, [greedy])
        return float(compute_rouge(list(candidates["text"]), list(examples["summaries"]), "mecab").mean(axis=1).mean())

    return compute


def build_callbacks(params: "TrainParams") -> list[Any]:
    """Early stopping, if it was asked for."""
    from transformers import EarlyStoppingCallback

    return [EarlyStoppingCallback(params.early_stopping_patience)] if params.early_stopping_patience else []


def train(trainer: SummaryTrainer) -> "tuple[dict[str, Any], pd.DataFrame]":
    """Trains, going on from the last checkpoint if a killed run left one.

    Returns:
        Metrics and the history, as `tune` gives them.

    Raises:
        InputError: if the loss stopped being a number.
    """
    last = find_last_checkpoint(Path(trainer.args.output_dir))
    result = trainer.train(resume_from_checkpoint=str(last) if last else None)
    metrics, history = describe(trainer, result.metrics)
    if not all(map(math.isfinite, (result.training_loss, metrics["valid_loss"]))):
        raise InputError("train: the loss is not a number any more; lower train.learning_rate or use precision fp32")
    return metrics, history


def describe(trainer: SummaryTrainer, result: dict[str, float]) -> "tuple[dict[str, Any], pd.DataFrame]":
    """metrics/train.json and plots/train.csv of a run."""
    import pandas as pd

    history = trainer.state.log_history
    steps = [entry for entry in history if "loss" in entry]
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    rouges = [entry["eval_rouge"] for entry in history if "eval_rouge" in entry]
    keeps_best = trainer.args.load_best_model_at_end
    trainable, total = count_parameters(trainer.model)
    metrics: dict[str, Any] = {
        "valid_loss": round(min(losses) if keeps_best and not rouges else losses[-1], 4),
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
    if rouges:
        metrics["valid_rouge"] = round(max(rouges) if keeps_best else rouges[-1], 4)
    columns = ["step", "loss", "learning_rate"]
    return metrics, pd.DataFrame([{name: entry[name] for name in columns} for entry in steps], columns=columns)


def get_tunable_params(recipe: Recipe) -> "ModelParams":
    """The `model` section to load with: weights that are tuned themselves are kept in fp32 beside mixed precision."""
    return recipe.model.model_copy(update={"precision": "fp32"}) if recipe.train.method == "full" else recipe.model


def build_objective(params: "TrainParams", model: "ModelParams", tokenizer: "PreTrainedTokenizerBase") -> Objective:
    """The loss of the `train` section, its teacher loaded.

    Raises:
        InputError: if the teacher cannot be loaded or reads other tokens than the student.
    """
    distill = params.distill
    if distill.teacher is None:
        return Objective(params.label_smoothing_factor)
    try:
        teacher, vocabulary = load_teacher(distill.teacher, model)
    except InputError as error:
        raise InputError([line.replace("model.name", "train.distill.teacher") for line in error.mistakes]) from error
    if vocabulary.get_vocab() != tokenizer.get_vocab():
        raise InputError(f"train.distill.teacher: {distill.teacher}: its tokenizer is not that of the student")
    return Objective(params.label_smoothing_factor, teacher, distill.temperature, distill.alpha)
