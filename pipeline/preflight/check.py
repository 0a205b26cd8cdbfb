"""check: what a run will do, in a few lines, before any GPU time is spent."""

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from pipeline.competition.ngrams import NEAR_COPY, NGRAM, WORD_NGRAM
from pipeline.models.config import load_config
from pipeline.models.devices import get_free_memory, select_device, select_precision
from pipeline.models.loading import build_empty_model, check_vocabulary
from pipeline.models.methods import attach_method
from pipeline.models.pair import PAIR, build_empty_pair
from pipeline.models.scratch import SCRATCH, build_scratch_model
from pipeline.models.special_tokens import describe_savings, grow_embeddings
from pipeline.params.grid import (
    build_configurations,
    count_candidates,
    list_configurations,
    list_map_reduce,
    list_untuned,
)
from pipeline.preflight.memory import build_lengths
from pipeline.preflight.refusals import build_shots
from pipeline.preflight.remedies import describe_memory
from pipeline.progress import quieten_libraries

# documents whose tokens are counted twice, to say what special tokens save
SHOWN = 1000

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.reading import Params
    from pipeline.params.result_sections import DecodeParams


def build_planned_model(params: "Params", builder: "PromptBuilder") -> "PreTrainedModel":
    """The model that a run will tune, without weights, its trainable part attached.

    Args:
        builder: its prompts.

    Raises:
        InputError: if tokenizer and model do not fit together, or `lora.target_modules` name nothing in the model.
    """
    import torch

    quieten_libraries()
    name, tokenizer = params.model.name, builder.base_tokenizer or builder.tokenizer
    if name == SCRATCH:
        with torch.device("meta"):
            model = build_scratch_model(tokenizer, params.pretrain, params.seed)
    elif name == PAIR:
        model = build_empty_pair(params.model)
    else:
        config = load_config(name, params.model.revision, params.model.trust_remote_code)
        model = build_empty_model(config, params.model)
    check_vocabulary(name, model, tokenizer)
    if builder.special_tokens:
        grow_embeddings(model, tokenizer, builder.tokenizer, builder.special_tokens)
    return attach_method(model, params.train.method, params.lora, params.prompt_tuning, tokenizer, params.seed)


def describe_run(params: "Params", model_type: str, details: dict[str, Any]) -> list[str]:
    """Rows, tokens, steps and configurations of the run that `params` ask for.

    Args:
        details: those of preprocess.

    Raises:
        InputError: if the device cannot compute in the precision that is asked for.
    """
    rows = details["rows"]
    device = select_device()
    precision = select_precision(params.model.precision, device, model_type)
    lines = [
        f"data: {rows['train']} train, {rows['valid']} validation, {rows['test']} test documents",
        f"model: {params.model.name} ({model_type}), context {details['context_length']} tokens, "
        f"{precision} on {device}",
    ]
    is_summarized = params.task == "summarization"
    what = "a document" if is_summarized else "an opening"
    for split, cut in details["truncation"].items():
        lines.append(
            f"{split}: {what} has {cut['tokens_median']} tokens (median), at most {cut['tokens_max']}; "
            f"{cut['documents_cut']} will be cut"
        )
    lines += [] if is_summarized else describe_texts(details)
    lines += _describe_training(params, rows["train"] if is_summarized else details["text"]["blocks"])
    lines += describe_refining(params, rows)
    configurations = list_configurations(params.decode)
    generated = count_sequences(params.decode, rows["valid"])
    about = "about " if params.decode.search == "halving" else ""
    lines.append(f"decode: {len(configurations)} configurations, {about}{generated} sequences on validation")
    if params.rank.method != "none":
        lines.append(
            f"rank: {params.rank.method} learns from {rows['valid']} validation documents which candidate to take; the "
            "tuned model and the base read each once more"
        )
    for split, name in (("valid", "validation"), ("test", "test")):
        overlap = details["overlap"][split]
        lines.append(
            f"overlap: {overlap['exact_copies']} {name} documents stand in train word for word, "
            f"{overlap['near_copies']} to {NEAR_COPY:.0%} or more; "
            f"{overlap['ngram_share']:.0%} of their character {NGRAM}-grams and "
            f"{details['word_overlap']['train'][split]['ngram_share']:.0%} of their word {WORD_NGRAM}-grams are known"
        )
    return lines


def count_sequences(params: "DecodeParams", documents: int) -> int:
    """What decode writes for so many validation documents; of a search by halving, what it may write."""
    grid = documents * sum(c.cost for c in list_configurations(params))
    searched = int(params.halving.budget * grid) if params.search == "halving" else grid
    untuned = min(documents, params.untuned_documents or documents)
    beside = documents * sum(c.cost for c in list_map_reduce(params)) + untuned * sum(
        c.cost for c in list_untuned(params)
    )
    return searched + beside


def describe_texts(details: dict[str, Any]) -> list[str]:
    """Lines for whole texts and what follows openings.

    Args:
        details: those of preprocess, for `task: generation`.
    """
    text, rest = details["text"], details["continuation"]
    return [
        f"train: a text has {text['tokens_median']} tokens (median), at most {text['tokens_max']}; {text['tokens']} "
        f"tokens are {text['blocks']} examples of {text['block_size']}",
        f"valid: people wrote on for {rest['tokens_median']} tokens (median), at most {rest['tokens_max']}",
    ]


def _describe_training(params: "Params", rows: int) -> list[str]:
    lines = []
    tuning = params.train
    batch = tuning.per_device_train_batch_size * tuning.gradient_accumulation_steps * tuning.processes
    steps = math.ceil(rows / batch) * tuning.num_train_epochs
    method = f"LoRA r={params.lora.r}" if tuning.method == "lora" else tuning.method
    if tuning.warmup_steps >= steps:
        lines.append(
            f"train: train.warmup_steps {tuning.warmup_steps} is not below the run's {steps} steps: the learning rate "
            "never reaches its peak"
        )
    lines.append(f"train: {method}, {tuning.num_train_epochs} epochs of {batch} examples an update, {steps} updates")
    return lines


def describe_refining(params: "Params", rows: dict[str, int]) -> list[str]:
    """Lines on what explore and refine will do, if they do anything."""
    exploring, refining = params.explore, params.refine
    if refining.method == "none":
        return []
    documents = min(rows["train"], exploring.documents or rows["train"])
    count = count_candidates(build_configurations(exploring.grid, params.prompt.max_summary_tokens))
    writes = {
        "never": "by the model that has learnt from them",
        "always": f"by {exploring.folds} models that are trained on the other folds",
        "auto": f"by {exploring.folds} models that are trained on the other folds, if need be",
    }
    batch, epochs = refining.per_device_train_batch_size, refining.num_train_epochs
    updates = math.ceil(documents / batch) * epochs
    return [
        f"explore: {count} candidates of each of {documents} training documents, {writes[exploring.out_of_fold]}",
        f"refine: {refining.method}, {epochs} epochs of {batch} documents an update, {updates} updates",
    ]


def describe_few_shot(params: "Params", splits: "dict[str, pd.DataFrame]", builder: "PromptBuilder") -> list[str]:
    """A line on what the solved examples leave of the documents, if they cut any."""
    if not params.decode.few_shot:
        return []
    prompts = build_shots(params, builder, splits, params.decode.few_shot).build_prompts(list(splits["valid"]["text"]))
    cut = [prompt for prompt in prompts if prompt.kept_tokens < prompt.document_tokens]
    if not cut:
        return []
    kept, whole = (median(getattr(prompt, name) for prompt in cut) for name in ("kept_tokens", "document_tokens"))
    return [
        f"decode.few_shot: in that row {len(cut)} of {len(prompts)} validation documents are cut, from {whole:.0f} to "
        f"{kept:.0f} tokens (medians)"
    ]


def describe_map_reduce(params: "Params", splits: "dict[str, pd.DataFrame]", builder: "PromptBuilder") -> list[str]:
    """A line on what the row of map-reduce costs, if it is decoded."""
    if not params.decode.map_reduce:
        return []
    parts = [len(builder.split_document(text)) for text in splits["valid"]["text"]]
    long = [count for count in parts if count > 1]
    if not long:
        return ["decode.map_reduce: every validation document fits, so that row is greedy's"]
    return [
        f"decode.map_reduce: {len(long)} of {len(parts)} validation documents do not fit and are first read in "
        f"{sum(long)} parts"
    ]


def describe_special_tokens(builder: "PromptBuilder", train: "pd.DataFrame") -> list[str]:
    """A line on what special tokens save in the training documents, if there are any."""
    if builder.base_tokenizer is None:
        return []
    tokenizers = builder.base_tokenizer, builder.tokenizer
    return [describe_savings(*tokenizers, builder.special_tokens, list(train["text"].head(SHOWN)))]


def describe_peak(
    params: "Params", model: "PreTrainedModel", details: dict[str, Any], builder: "PromptBuilder"
) -> list[str]:
    """Lines for the memory that a run needs and has, and what to change when it has too little.

    Args:
        model: as `build_planned_model` gives it.
        details: those of preprocess.
        builder: the prompts of the model.
    """
    device = select_device()
    precision = select_precision(params.model.precision, device, model.config.model_type)
    lengths = build_lengths(details, builder, params)
    free = get_free_memory(device, params.model.device_map)
    try:
        return describe_memory(model, params, lengths, (precision, device, free))
    except Exception as error:  # a model's own code may do what fake tensors cannot; advice must not stop a run
        return [f"memory: cannot be estimated for this model ({type(error).__name__}); {free / 2**30:.1f} GiB are free"]
