"""pretrain: the competition's texts, without their labels, in; a base model out.

`scratch` builds and trains a small GPT-J (Wang & Komatsuzaki 2021) on them. Any other name is a pretrained model: a hub
model is pinned to its commit, a folder to its content, and neither is copied; unless it is adapted to the texts
(`pipeline.training.adaptation`), which makes a base of our own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.base import BaseModel, Pins
from pipeline.models.devices import keep_to_one_gpu, select_device, select_precision
from pipeline.models.pair import PAIR, build_pair, load_pair_tokenizer
from pipeline.models.pins import pin_model, pin_pair
from pipeline.models.scratch import SCRATCH, build_scratch_model, build_scratch_tokenizer
from pipeline.progress import hush, is_interactive
from pipeline.training.texts import build_blocks

if TYPE_CHECKING:
    import pandas as pd
    from transformers import GPTJForCausalLM, PreTrainedTokenizerBase, TrainingArguments

    from pipeline.params.model_sections import ModelParams, PretrainParams
    from pipeline.params.reading import SelectedParams


@dataclass(frozen=True)
class NewBase:
    """What models/base is to hold: a model made here and its tokenizer, or where a pretrained one lies.

    `details` are what is worth knowing about it, `parts` the models that it was made of.
    """

    details: dict[str, Any]
    parts: Pins = field(default_factory=dict)
    pinned: BaseModel | None = None
    model: Any = None
    tokenizer: Any = None


def pretrain(texts: "pd.DataFrame", params: "SelectedParams", parts: Pins, folder: Path) -> NewBase:
    """The base that `model.name` asks for.

    Args:
        texts: `document`, `text`, of which a scratch or an adapted base learns.
        params: the stage's: its seed, and the sections model and pretrain.
        parts: what `pin_parts` found.
        folder: the run's; an adaptation that was killed goes on from there, a scratch model leaves it empty.

    Raises:
        InputError: if a pretrained model cannot be loaded, or the loss stopped being a number.
    """
    model, own, seed = params.model, params.pretrain, params.seed
    if model.name == PAIR:
        tokenizer = load_pair_tokenizer(model)
        pair = build_pair(model, tokenizer, seed)
        return NewBase({"parameters": pair.num_parameters()}, parts, model=pair, tokenizer=tokenizer)
    if model.name == SCRATCH:
        made, tokenizer, details = build_scratch_base(list(texts["text"]), own, model.precision, folder, seed)
        return NewBase(details, model=made, tokenizer=tokenizer)
    base = parts["model.name"]
    if own.adapt.method == "none":
        return NewBase({"fingerprint": base.fingerprint}, pinned=base)
    # with it come peft and all of training, which take seconds to import and are seldom wanted
    from pipeline.training.adaptation import adapt

    adapted = adapt(base, texts, model, own.adapt, seed, folder)
    return NewBase(adapted.details, parts, model=adapted.model, tokenizer=adapted.tokenizer)


def pin_parts(params: "ModelParams") -> Pins:
    """The pretrained models that a base is made of, by key of params.yaml. Raises InputError."""
    if params.name == PAIR:
        return pin_pair(params)
    return {} if params.name == SCRATCH else {"model.name": pin_base(params)}


def pin_base(params: "ModelParams") -> BaseModel:
    """As `pin_model`; a folder by its whole path. Raises InputError."""
    base = pin_model(params.name, params.revision, params.trust_remote_code)
    folder = Path(base.name)
    return replace(base, name=str(folder.absolute())) if folder.is_dir() else base


def build_scratch_base(
    texts: Sequence[str], params: "PretrainParams", precision: str, folder: Path, seed: int
) -> "tuple[GPTJForCausalLM, PreTrainedTokenizerBase, dict[str, Any]]":
    """A tokenizer and a model made of the texts alone, and the metrics of its training; `folder` stays empty."""
    tokenizer = build_scratch_tokenizer(texts, params)
    model = build_scratch_model(tokenizer, params, seed)
    precision = select_precision(precision, select_device(), model.config.model_type)
    arguments = build_pretraining_arguments(params, precision, folder, seed)
    metrics = train_scratch(model, tokenizer, build_blocks(texts, tokenizer, params.block_size), arguments)
    return model, tokenizer, metrics


def build_pretraining_arguments(
    params: "PretrainParams", precision: str, folder: Path, seed: int
) -> "TrainingArguments":
    """Arguments of a run without checkpoints; `folder` stays empty.

    AdamW's second beta and weight decay are those of GPT-3 (Brown et al. 2020, appendix B).
    """
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        save_strategy="no",
        report_to="none",
        # by default the Trainer hides losses that are no numbers, and a ruined run looks well
        logging_nan_inf_filter=False,
        num_train_epochs=params.num_train_epochs,
        per_device_train_batch_size=params.per_device_train_batch_size,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        weight_decay=0.1,
        adam_beta2=0.95,
        logging_steps=50,
        optim="adamw_torch_fused",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=select_device() == "cpu",
        seed=seed,
        disable_tqdm=not is_interactive(),
    )
    return keep_to_one_gpu(arguments)


def train_scratch(
    model: "GPTJForCausalLM",
    tokenizer: "PreTrainedTokenizerBase",
    blocks: Sequence[list[int]],
    arguments: "TrainingArguments",
) -> dict[str, Any]:
    """Trains a causal language model on blocks of token ids, in place.

    Returns:
        `loss` (nats a token), `steps`, `tokens_per_second`, `parameters`.

    Raises:
        InputError: if the loss stopped being a number.
    """
    from transformers import DataCollatorForLanguageModeling, Trainer

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=[{"input_ids": ids} for ids in blocks],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    hush(trainer)
    result = trainer.train()
    if not math.isfinite(result.training_loss):
        raise InputError(
            "pretrain: the loss is not a number any more; lower pretrain.learning_rate or use precision fp32"
        )
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tokens = sum(map(len, blocks)) * arguments.num_train_epochs
    return {
        "loss": round(losses[-1] if losses else result.training_loss, 4),
        "steps": result.global_step,
        "tokens_per_second": round(tokens / result.metrics["train_runtime"]),
        "parameters": model.num_parameters(),
    }


def select_metrics(details: Mapping[str, Any]) -> dict[str, float]:
    """metrics/pretrain.json: what a table of experiments shows; nothing unless a base was adapted."""
    return {name: details[name] for name in ("perplexity_before", "perplexity") if name in details}


def describe_adaptation(details: Mapping[str, Any]) -> list[str]:
    """A line on what reading on brought, if a base was adapted."""
    if "perplexity_before" not in details:
        return []
    texts, tokens = details["texts"], details["tokens"]
    return [
        f"base: read {texts['train']} texts ({tokens['train']} tokens); perplexity of {texts['valid']} others: "
        f"{details['perplexity_before']:.2f} before, {details['perplexity']:.2f} after"
    ]
