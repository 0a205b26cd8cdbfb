"""What to do when training runs out of memory."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.damage import refuse_unwritable
from pipeline.progress import announce
from pipeline.tables import replace_file
from pipeline.training.micro_batches import halve_batch

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from pipeline.params.model_sections import TrainParams
    from pipeline.training.trainer import SummaryTrainer


def train_within_memory(
    build: "Callable[[TrainParams], SummaryTrainer]",
    train: "Callable[[SummaryTrainer], tuple[dict[str, Any], pd.DataFrame]]",
    params: "TrainParams",
    folder: Path,
) -> "tuple[SummaryTrainer, dict[str, Any], pd.DataFrame]":
    """Trains; when memory runs out and `auto_find_batch_size` is on, halves the batch and keeps the effective one.

    What was learnt is not lost: the smaller run goes on from the last checkpoint, or begins where the larger one did.

    Args:
        build: makes a trainer for a batch size.
        train: trains it; gives metrics and history.
        folder: of the run's checkpoints.

    Raises:
        InputError: if memory runs out and no smaller batch is left or wanted.
    """
    import torch
    from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

    start, trainer = folder / "start.pt", build(params)
    model: Any = trainer.model
    trainable = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if params.auto_find_batch_size:
        # what a killed run left is never read: it began at the same weights, and its file may be torn
        _save_weights(trainable, start)
    while True:
        try:
            return trainer, *train(trainer)
        except (RuntimeError, MemoryError) as error:
            if not (isinstance(error, MemoryError) or should_reduce_batch_size(error)):
                raise
        params = _choose_smaller(params)
        for name, value in torch.load(start, weights_only=True).items():
            trainable[name].data.copy_(value)
        del trainer
        clear_device_cache(garbage_collection=True)
        trainer = build(params)


def _save_weights(trainable: "dict[str, torch.nn.Parameter]", path: Path) -> None:
    import torch

    with refuse_unwritable(path), replace_file(path) as file:
        torch.save({name: value.detach().cpu() for name, value in trainable.items()}, file)


def _choose_smaller(params: "TrainParams") -> "TrainParams":
    smaller = halve_batch(params) if params.auto_find_batch_size else None
    if smaller is not None:
        announce(
            f"train: out of memory; goes on with {smaller.per_device_train_batch_size} examples a step and "
            f"{smaller.gradient_accumulation_steps} accumulated steps, the same number an update"
        )
        return smaller
    first = "" if params.auto_find_batch_size else "turn on train.auto_find_batch_size; if that is not enough, "
    raise InputError(
        f"train: out of memory with {params.per_device_train_batch_size} examples a step; {first}turn on "
        "train.gradient_checkpointing or lower prompt.max_document_tokens"
    )
