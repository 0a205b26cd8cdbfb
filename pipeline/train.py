"""train: processed train and validation examples and a base in; a LoRA adapter and its metrics out.

The loop, resuming and accumulation are Hugging Face's `Trainer`. The loss is computed only where there are labels:
causal batches are padded on the left, so every label stands among the last positions, and the vocabulary head runs over
those alone (`logits_to_keep`). Prompts, about 95 % of the tokens, never reach it.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.devices import select_device
from pipeline.errors import InputError
from pipeline.progress import hush, is_interactive
from pipeline.prompts import PromptBuilder

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, Trainer, TrainingArguments

    from pipeline.params import LoraParams, TrainParams

IGNORED = -100
# the attention projections that LoRA's authors adapt (Hu et al. 2021, section 4.2), under each family's names
ATTENTION_PROJECTIONS = {
    "gpt2": ["c_attn"],
    "gptj": ["q_proj", "v_proj"],
    "llama": ["q_proj", "v_proj"],
    "t5": ["q", "v"],
    "bart": ["q_proj", "v_proj"],
}


def build_features(examples: "pd.DataFrame", builder: PromptBuilder) -> list[dict[str, list[int]]]:
    """One feature an example and summary: `input_ids` and `labels`, token ids. Raises InputError naming an id."""
    rows = [(text, s, i) for i, text, many in examples.itertuples(index=False) for s in many]
    texts, summaries, ids = zip(*rows, strict=True)
    return [
        {"input_ids": inputs, "labels": labels}
        for inputs, labels in builder.build_training_examples(texts, summaries, ids)
    ]


@dataclass(frozen=True)
class Collator:
    """Features -> a batch of tensors.

    Causal: inputs padded on the left; `labels` are those of the last `logits_to_keep` positions, where position i is
    the token at i, as transformers' causal loss expects. Encoder-decoder: inputs padded on the right.
    """

    pad_token_id: int
    is_encoder_decoder: bool
    needs_position_ids: bool

    def __call__(self, features: Sequence[dict[str, list[int]]]) -> "dict[str, torch.Tensor | int]":
        import torch

        side = "right" if self.is_encoder_decoder else "left"
        input_ids = _pad([f["input_ids"] for f in features], self.pad_token_id, side)
        mask = _pad([[1] * len(f["input_ids"]) for f in features], 0, side)
        labels = [f["labels"] for f in features]
        batch: dict[str, torch.Tensor | int] = {"input_ids": input_ids, "attention_mask": mask}
        if self.is_encoder_decoder:
            return {**batch, "labels": _pad(labels, IGNORED, "right")}
        # one position more than the longest summary: the logits that predict its first token stand before it
        batch["labels"] = _pad([[IGNORED, *ids] for ids in labels], IGNORED, "left")
        batch["logits_to_keep"] = batch["labels"].shape[1]
        if self.needs_position_ids:
            # without them a left-padded row would start at a position that decoding never uses
            batch["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        return batch


def _pad(rows: Sequence[list[int]], value: int, side: str) -> "torch.Tensor":
    from torch import tensor
    from torch.nn.utils.rnn import pad_sequence

    return pad_sequence([tensor(row) for row in rows], batch_first=True, padding_value=value, padding_side=side)


def build_collator(model: "PreTrainedModel", pad_token_id: int) -> Collator:
    """The collator that fits a model; takes the bare model, before an adapter wraps it."""
    import inspect

    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    return Collator(pad_token_id, bool(model.config.is_encoder_decoder), takes_positions)


def attach_lora(model: "PreTrainedModel", params: "LoraParams", seed: int) -> "PeftModel":
    """Wraps a model with LoRA (Hu et al. 2021); the update matrices are fp32 and alone trainable.

    Raises:
        InputError: if `target_modules` name nothing in the model.
    """
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import set_seed

    targets = params.target_modules
    if targets == "auto":
        # None: peft's own table, for families that ours does not hold
        targets = ATTENTION_PROJECTIONS.get(model.config.model_type)
    elif targets != "all-linear" and isinstance(targets, str):
        targets = [targets]
    config = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM if model.config.is_encoder_decoder else TaskType.CAUSAL_LM,
        r=params.r,
        lora_alpha=params.lora_alpha,
        lora_dropout=params.lora_dropout,
        target_modules=targets,
    )
    set_seed(seed)
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise InputError(f"lora.target_modules: {params.target_modules}: {str(error).splitlines()[0]}") from error


def build_arguments(params: "TrainParams", precision: str, checkpoints: Path, seed: int) -> "TrainingArguments":
    """Arguments of a run that validates and checkpoints once an epoch, into the folder `checkpoints`.

    Args:
        precision: `bf16`, `fp16` or `fp32`, as `pipeline.models.select_precision` gives it.
    """
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(checkpoints),
        save_strategy="epoch",
        save_total_limit=1,
        eval_strategy="epoch",
        prediction_loss_only=True,
        label_names=["labels"],
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length",
        report_to="none",
        # by default the Trainer hides losses that are no numbers, and a ruined run looks well
        logging_nan_inf_filter=False,
        logging_steps=10,
        optim="adamw_torch_fused",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=select_device() == "cpu",
        seed=seed,
        disable_tqdm=not is_interactive(),
        per_device_eval_batch_size=params.per_device_train_batch_size,
        # every key of the section is named as TrainingArguments names it
        **params.model_dump(),
    )


def build_trainer(
    model: "PeftModel",
    collator: Collator,
    features: dict[str, list[dict[str, list[int]]]],
    arguments: "TrainingArguments",
) -> "Trainer":
    """A Trainer over `features["train"]` that validates on `features["valid"]`."""
    from transformers import Trainer

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=features["train"],
        eval_dataset=features["valid"],
        data_collator=collator,
    )
    hush(trainer)
    return trainer


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
            shutil.rmtree(checkpoint)
            continue
        return Path(checkpoint)
    return None


def train(trainer: "Trainer") -> "tuple[dict[str, Any], pd.DataFrame]":
    """Trains, going on from the last checkpoint if a killed run left one.

    Returns:
        Metrics (losses in nats a token, over the summary's tokens), and a frame of `step`, `loss`, `learning_rate`.

    Raises:
        InputError: if the loss stopped being a number.
    """
    import math

    import pandas as pd

    last = find_last_checkpoint(Path(trainer.args.output_dir))
    result = trainer.train(resume_from_checkpoint=str(last) if last else None)
    history = trainer.state.log_history
    steps = [entry for entry in history if "loss" in entry]
    valid = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    if not math.isfinite(result.training_loss) or not all(map(math.isfinite, valid)):
        raise InputError("train: the loss is not a number any more; lower train.learning_rate or use precision fp32")
    model: Any = trainer.model
    trainable, total = model.get_nb_trainable_parameters()
    metrics = {
        "train_loss": round(steps[-1]["loss"] if steps else result.training_loss, 4),
        "valid_loss": round(valid[-1], 4),
        "steps": result.global_step,
        "trainable_parameters": trainable,
        "parameters": total,
        "examples_per_second": round(result.metrics["train_samples_per_second"], 1),
    }
    columns = ["step", "loss", "learning_rate"]
    return metrics, pd.DataFrame([{name: entry[name] for name in columns} for entry in steps], columns=columns)
