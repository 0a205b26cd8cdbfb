"""A pretrained base adapted to the competition's domain by reading on: continued pretraining (Gururangan et al. 2020,
2004.10964) on text without labels, by the loop that tunes."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.config import get_context_length, get_target_length, load_config
from pipeline.models.loading import load_model
from pipeline.training.batches import Feature
from pipeline.training.denoising import build_denoising_features
from pipeline.training.objectives import Objective
from pipeline.training.recipe import Recipe, get_tunable_params
from pipeline.training.texts import build_text_features
from pipeline.training.tuning import tune_on_features

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.base import BaseModel
    from pipeline.params.model_sections import AdaptParams, ModelParams


@dataclass(frozen=True)
class Adapted:
    """A base that has read on, its tokenizer, and what is worth knowing: see `adapt`."""

    model: Any
    tokenizer: "PreTrainedTokenizerBase"
    details: dict[str, Any]


def adapt(
    base: "BaseModel", texts: "pd.DataFrame", model: "ModelParams", params: "AdaptParams", seed: int, folder: Path
) -> Adapted:
    """The base after it has read the texts, an adapter merged; goes on from a checkpoint that a killed run left.

    Args:
        texts: `document`, `text`; all texts of a document are either learnt or held out.
        folder: the run's, for checkpoints.

    Returns:
        With details `perplexity_before` and `perplexity` (e to the mean nats a token of held-out text; of an
        encoder-decoder, a token of what it mends), `texts` and `tokens` learnt and held out, and those of training.

    Raises:
        InputError: if there is too little text, blocks are longer than the context, the loss stopped being a number, or
            memory ran out.
    """
    recipe = build_recipe(model, params, seed)
    parts = hold_out(texts, params.held_out, seed)
    loaded, tokenizer = load_model(base, get_tunable_params(recipe))
    features = {name: build_features(part, loaded.config, tokenizer, params, seed) for name, part in parts.items()}
    refuse_without_text(features)
    before = tune_on_features(loaded, tokenizer, features, _without_training(recipe), Objective(), folder)[1]
    try:
        trainer, after, _ = tune_on_features(loaded, tokenizer, features, recipe, Objective(), folder)
    except InputError as error:
        own_keys = (line.replace("train.", "pretrain.adapt.").replace("train:", "pretrain:") for line in error.mistakes)
        raise InputError(list(own_keys)) from error
    tuned: Any = trainer.model
    adapted = tuned.merge_and_unload() if params.method == "lora" else tuned
    # tuned in fp32, but no larger on the disk than what it was made of
    own = load_config(base.name, base.revision, model.trust_remote_code).dtype
    return Adapted(
        adapted.to(own) if params.method == "full" and own else adapted,
        tokenizer,
        {
            "perplexity_before": _compute_perplexity(before["valid_loss"]),
            "perplexity": _compute_perplexity(after["valid_loss"]),
            "texts": {name: len(part) for name, part in parts.items()},
            "tokens": {name: sum(len(feature["labels"]) for feature in part) for name, part in features.items()},
            **after,
        },
    )


def build_recipe(model: "ModelParams", params: "AdaptParams", seed: int) -> Recipe:
    """The recipe of a run that reads on: a cosine, every linear layer, the best epoch by held-out text."""
    lora = params.build_lora(
        lora_dropout=0.0, target_modules="all-linear", use_rslora=False, use_dora=False, init_lora_weights=True
    )
    train = params.build_train(
        seed=None,
        auto_find_batch_size=True,
        optim="adamw",
        lr_scheduler_type="cosine",
        # of warm restarts and ROUGE, which are not used
        **{"T_0": 1, "T_mult": 1, "rouge_examples": 1},
        weight_decay=0.0,
        max_grad_norm=1.0,
        label_smoothing_factor=0.0,
        eval_steps=None,
        metric_for_best_model="loss",
        load_best_model_at_end=True,
        early_stopping_patience=None,
        processes=1,
        parallel="ddp",
        distill={"teacher": None, "temperature": 1.0, "alpha": 0.0, "trust_remote_code": False},
    )
    return Recipe(seed, model, lora, None, train)


def _without_training(recipe: Recipe) -> Recipe:
    train = recipe.train.model_copy(update={"method": "none", "load_best_model_at_end": False})
    return replace(recipe, train=train)


def hold_out(texts: "pd.DataFrame", share: float, seed: int) -> dict[str, list[str]]:
    """Texts to learn (`train`) and to measure by (`valid`): whole documents drawn by seed, and at least one.

    A text that is held out with one document is not learnt with another.
    """
    documents = sorted(set(texts["document"]))
    held = set(random.Random(seed).sample(documents, max(1, round(share * len(documents)))) if documents else [])
    is_held = texts["document"].isin(held)
    valid = list(dict.fromkeys(texts.loc[is_held, "text"]))
    return {"train": list(texts.loc[~is_held & ~texts["text"].isin(valid), "text"]), "valid": valid}


def refuse_without_text(parts: Mapping[str, Sequence[Any]]) -> None:
    """Raises InputError if there is nothing to learn (`train`) or nothing to measure by (`valid`)."""
    if empty := [name for name, part in parts.items() if not part]:
        raise InputError(f"pretrain.adapt: no text to {'learn' if 'train' in empty else 'hold out'} in pretrain.text")


def build_features(
    texts: Sequence[str], config: Any, tokenizer: "PreTrainedTokenizerBase", params: "AdaptParams", seed: int
) -> list[Feature]:
    """Of a causal model every token is learnt; an encoder-decoder mends what is taken out. Raises InputError."""
    contexts = (get_context_length(config), get_target_length(config))
    # an encoder-decoder's block gets an end-of-text
    extra = 1 if config.is_encoder_decoder else 0
    if short := [context for context in contexts if context and context < params.block_size + extra]:
        raise InputError(f"pretrain.adapt.block_size: {params.block_size} does not fit into a context of {short[0]}")
    if config.is_encoder_decoder:
        return build_denoising_features(texts, tokenizer, params.block_size, seed)
    return build_text_features(texts, tokenizer, params.block_size)


def _compute_perplexity(nats: float) -> float:
    return round(math.exp(min(nats, 50.0)), 4)
