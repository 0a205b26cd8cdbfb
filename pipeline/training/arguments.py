"""The `train` section as the Trainer's arguments and callbacks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models.devices import keep_to_one_gpu, select_device
from pipeline.progress import is_interactive
from pipeline.training.schedules import WARM_RESTARTS
from pipeline.training.sharding import build_sharding_arguments

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from pipeline.params.model_sections import TrainParams

# of one name and meaning in params.yaml and in transformers
SHARED = (
    *("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate"),
    *("warmup_steps", "weight_decay", "max_grad_norm", "load_best_model_at_end"),
)


def build_arguments(params: "TrainParams", precision: str, checkpoints: Path, seed: int) -> "TrainingArguments":
    """Arguments of a run that validates and checkpoints together, into the folder `checkpoints`.

    Args:
        precision: `bf16`, `fp16` or `fp32`, as `pipeline.models.devices.select_precision` gives it.
    """
    from transformers import TrainingArguments

    by_trainer = params.lr_scheduler_type != WARM_RESTARTS
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        save_total_limit=1,
        # early stopping counts on where a killed run stopped
        restore_callback_states_from_checkpoint=True,
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
        **{name: getattr(params, name) for name in SHARED},
        **_choose_moments(params),
        **(build_sharding_arguments() if params.parallel == "fsdp" else {}),
    )
    return keep_to_one_gpu(arguments)


def _choose_moments(params: "TrainParams") -> dict[str, Any]:
    """When to validate and save, and what to compute again."""
    if params.eval_steps:
        when = dict.fromkeys(("save_strategy", "eval_strategy"), "steps")
        when |= dict.fromkeys(("save_steps", "eval_steps"), params.eval_steps)
    else:
        when = dict.fromkeys(("save_strategy", "eval_strategy"), "epoch")
    if params.gradient_checkpointing:
        # peft's adapters get no gradient through the re-entrant kind
        when |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
    return when


def build_callbacks(params: "TrainParams") -> list[Any]:
    """Early stopping, if it was asked for."""
    from transformers import EarlyStoppingCallback

    return [EarlyStoppingCallback(params.early_stopping_patience)] if params.early_stopping_patience else []
