"""check: what a run will do, in a few lines, before any GPU time is spent."""

import math
from typing import TYPE_CHECKING, Any

from pipeline.decoding.grid import build_configurations
from pipeline.models import select_device, select_precision
from pipeline.preprocess import NEAR_COPY

if TYPE_CHECKING:
    from pipeline.params import Params


def describe_run(params: "Params", model_type: str, metrics: dict[str, Any]) -> list[str]:
    """Rows, tokens, steps and configurations of the run that `params` ask for.

    Args:
        metrics: those of preprocess.

    Raises:
        InputError: if the device cannot compute in the precision that is asked for.
    """
    rows = metrics["rows"]
    device = select_device()
    precision = select_precision(params.model.precision, device, model_type)
    lines = [
        f"data: {rows['train']} train, {rows['valid']} validation, {rows['test']} test documents",
        f"model: {params.model.name} ({model_type}), context {metrics['context_length']} tokens, "
        f"{precision} on {device}",
    ]
    for split, cut in metrics["truncation"].items():
        lines.append(
            f"{split}: a document has {cut['tokens_median']} tokens (median), at most {cut['tokens_max']}; "
            f"{cut['documents_cut']} will be cut"
        )
    tuning = params.train
    batch = tuning.per_device_train_batch_size * tuning.gradient_accumulation_steps
    steps = math.ceil(rows["train"] / batch) * tuning.num_train_epochs
    lines.append(
        f"train: LoRA r={params.lora.r}, {tuning.num_train_epochs} epochs of {batch} examples a step, {steps} steps"
    )
    configurations = build_configurations(params.decode.grid, params.decode.max_new_tokens)
    generated = (sum(c.cost for c in configurations) + params.decode.untuned) * rows["valid"]
    lines.append(f"decode: {len(configurations)} configurations, {generated} sequences on validation")
    overlap = metrics["overlap"]["test"]
    lines.append(
        f"overlap: {overlap['exact_copies']} test documents stand in train word for word, "
        f"{overlap['near_copies']} to {NEAR_COPY:.0%} or more; "
        f"{overlap['ngram_share']:.0%} of the test's character 5-grams are known"
    )
    return lines
