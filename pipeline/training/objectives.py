"""What is minimised, and what a model is validated by beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.base import Pins
from pipeline.models.generation import summarize_greedily
from pipeline.models.loading import load_teacher
from pipeline.scoring.rouge.pairs import compute_rouge

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.model_sections import ModelParams, TrainParams


@dataclass(frozen=True)
class Objective:
    """What is minimised in training: cross-entropy over the labels, smoothed, mixed with a teacher's.

    Args:
        label_smoothing: share of the target spread over the vocabulary (Szegedy et al. 2016).
        teacher: a frozen model over the same vocabulary, or None.
        temperature, alpha: of distillation (Hinton et al. 2015): softness, and the soft labels' share.
        rouge: gives the ROUGE of a model on some validation documents; None to validate by loss alone.
    """

    label_smoothing: float = 0.0
    teacher: Any = None
    temperature: float = 1.0
    alpha: float = 0.0
    rouge: Callable[[Any], float] | None = None


def build_objective(
    params: "TrainParams", model: "ModelParams", tokenizer: "PreTrainedTokenizerBase", teacher: Pins
) -> Objective:
    """The loss of the `train` section, its teacher loaded as it was pinned.

    Raises:
        InputError: if the teacher cannot be loaded or reads other tokens than the student.
    """
    distill = params.distill
    if distill.teacher is None:
        return Objective(params.label_smoothing_factor)
    try:
        taught, vocabulary = load_teacher(teacher, model, distill.trust_remote_code)
    except InputError as error:
        raise InputError([line.replace("model.name", "train.distill.teacher") for line in error.mistakes]) from error
    refuse_other_tokens(distill.teacher, vocabulary, tokenizer)
    return Objective(params.label_smoothing_factor, taught, distill.temperature, distill.alpha)


def refuse_other_tokens(teacher: str, theirs: "PreTrainedTokenizerBase", ours: "PreTrainedTokenizerBase") -> None:
    """Raises InputError if a teacher reads other tokens than the student."""
    if theirs.get_vocab() == ours.get_vocab():
        return
    apart = _list_added(ours) ^ _list_added(theirs)
    hint = f"; model.special_tokens: only one of them has {min(apart)!r}" if apart else ""
    raise InputError(f"train.distill.teacher: {teacher}: its tokenizer is not that of the student{hint}")


def refuse_other_kind(teacher: str, theirs: "PretrainedConfig", is_encoder_decoder: bool) -> None:
    """Raises InputError if a teacher is an encoder-decoder and the student is none, or the other way round."""
    if bool(theirs.is_encoder_decoder) != is_encoder_decoder:
        kinds = {True: "an encoder-decoder", False: "a causal model"}
        named = f"is {kinds[not is_encoder_decoder]}, and the student {kinds[is_encoder_decoder]}"
        raise InputError(f"train.distill.teacher: {teacher}: {named}")


def _list_added(tokenizer: Any) -> set[str]:
    """The tokens that were added to a vocabulary, but for those that the tokenizer uses itself."""
    return set(tokenizer.get_added_vocab()) - set(tokenizer.all_special_tokens)


def build_rouge(builder: "PromptBuilder", examples: "pd.DataFrame", params: "TrainParams") -> Callable[[Any], float]:
    """Gives a model's mean ROUGE-1/2/L (Mecab) of greedy summaries of `params.rouge_examples` validation examples."""
    examples = examples.head(params.rouge_examples)
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    # transformers' own generate, so that a change of the decoding engine is none of a tuned model
    most, size = builder.params.max_summary_tokens, params.per_device_train_batch_size

    def compute(model: Any) -> float:
        summaries = summarize_greedily(model, builder.tokenizer, prompts, most, size)
        return float(compute_rouge(summaries, list(examples["summaries"]), "mecab").mean(axis=1).mean())

    return compute
