"""What a run needs beside what is free, and the one change that helps most when it does not fit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.params.conflicts import SHARDED
from pipeline.preflight.memory import ESTIMATES, Lengths, Memory, estimate_peak_memory
from pipeline.training.micro_batches import split_batch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.params.reading import Params

GIB = 1024**3


def describe_memory(
    model: "PreTrainedModel", params: "Params", lengths: Lengths, run: tuple[str, str, int]
) -> list[str]:
    """Lines for what a run needs, what is free, and when it does not fit, the one change that helps most.

    Args:
        run: precision, device, free bytes.
    """
    precision, device, free = run
    params = params.model_copy(update={"train": split_batch(params, lengths.example, model, device)})
    peak = estimate_peak_memory(model, params, lengths, precision, device)
    # processes on a CPU share its memory; on GPUs each has one
    copies = {"train": params.train.processes, "decode": max(params.decode.processes, params.predict.processes)}
    needs = {"train": peak.train, "refine": peak.refine, "decode": peak.decode}
    described = [f"{stage} about {_describe(memory)}" for stage, memory in needs.items() if memory]
    lines = [f"memory: {'; '.join(described)}; {_format(free)} free on {device}"]
    for stage, memory in needs.items():
        own = free // copies.get(stage, 1) if device == "cpu" else free
        if memory and memory.total > own:
            lines.append(_advise(model, params, lengths, (stage, precision, device, own)))
    return lines


def _advise(model: "PreTrainedModel", params: "Params", lengths: Lengths, run: tuple[str, str, str, int]) -> str:
    """The first remedy after which the stage fits, or the one that saves most.

    Args:
        run: stage, precision, device, free bytes a process.
    """
    stage, precision, device, free = run
    best, least = "", float("inf")
    for advice, changed, shorter in _list_remedies(params, lengths, stage, device):
        memory = ESTIMATES[stage](model, changed, shorter, precision).add_overhead(device)
        if memory.total < least:
            best, least = f"{advice} (then about {_format(memory.total)})", memory.total
        if least <= free:
            return f"memory: {stage} will not fit; set {best}"
    last = "spread the weights by model.device_map: auto" if device == "cuda" else "take a smaller model"
    if not best:
        return f"memory: {stage} will not fit; {last}"
    return f"memory: {stage} will not fit, and no one setting is enough; first set {best}, or {last}"


def _list_remedies(params: "Params", lengths: Lengths, stage: str, device: str) -> Iterator[tuple[str, Any, Lengths]]:
    """Remedies with what params and lengths become, those that leave the result as it is first."""
    tuning = params.train
    if stage == "train":
        batch = tuning.per_device_train_batch_size
        while batch > 1:
            batch //= 2
            # the same examples an update, in more and smaller steps
            steps = tuning.gradient_accumulation_steps * -(-tuning.per_device_train_batch_size // batch)
            changes = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": steps}
            text = " and ".join(f"train.{key}: {value}" for key, value in changes.items())
            yield text, _change(params, "train", changes), lengths
    if stage != "decode" and not tuning.gradient_checkpointing:
        changed = _change(params, "train", {"gradient_checkpointing": True})
        yield "train.gradient_checkpointing: true", changed, lengths
    if stage == "decode":
        batch = max(params.decode.batch_size or 1, params.predict.batch_size or 1)
        while batch > 1:
            batch //= 2
            changed = _change(_change(params, "decode", {"batch_size": batch}), "predict", {"batch_size": batch})
            yield f"decode.batch_size: {batch} and predict.batch_size: {batch}", changed, lengths
    is_sharded = tuning.parallel == "fsdp"
    if stage == "train" and device == "cuda" and tuning.processes > 1 and tuning.method in SHARDED and not is_sharded:
        yield "train.parallel: fsdp", _change(params, "train", {"parallel": "fsdp"}), lengths
    if device == "cuda" and tuning.method != "full" and not params.model.quantization and not is_sharded:
        yield "model.quantization: 8bit", _change(params, "model", {"quantization": "8bit"}), lengths
    if params.task == "generation" and stage == "train":
        half = lengths.example // 2
        yield f"generation.block_size: {half}", params, replace(lengths, summary=half - 1, example=half)
    elif lengths.prompt > 256:
        half = lengths.prompt // 2
        yield f"prompt.max_document_tokens: {half}", params, replace(lengths, prompt=half)


def _change(params: "Params", section: str, changes: dict[str, Any]) -> Any:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=changes)})


def _describe(memory: Memory) -> str:
    largest = sorted((name for name, size in vars(memory).items() if size), key=lambda name: -getattr(memory, name))[:3]
    return f"{_format(memory.total)} ({', '.join(f'{name} {_format(getattr(memory, name))}' for name in largest)})"


def _format(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 1024**2:.0f} MiB"
