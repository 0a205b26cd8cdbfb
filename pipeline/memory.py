"""Peak memory of a run, estimated before it starts, and what to change when it will not fit.

The parts that follow from counting parameters are those of mixed-precision training (Rajbhandari et al. 2020, "ZeRO",
section 3.1): 4 bytes a trainable weight, 4 for its gradient, 8 for Adam's two moments; frozen weights in the compute
precision. Activations are counted by a dry run (`pipeline.dry_run`). Against the growth of resident memory over three
real steps on a CPU (GPT-2 125 M, GPT-J 4 x 256, T5-small; LoRA and full; batches of 2 to 8, 128 to 512 tokens) the
training total was 10 % too low to 20 % too high; with gradient checkpointing it was 40 % too low in the one case
measured, for there the allocator kept far more than lived. The decoding total was not measured.

Not counted: a teacher (train.distill), and what a library's kernels use for themselves beyond `OVERHEAD`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.decoding.grid import build_configurations
from pipeline.dry_run import get_dtype, measure_prefill, measure_step

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.params import Params
    from pipeline.prompts import PromptBuilder

# device -> what allocators and kernels take on top: a share of all but the weights, and bytes. The CPU's are fitted to
# the growth of resident memory over real steps (glibc keeps what it cannot give back); a GPU's allocator wastes less,
# but its figures are an assumption: there was none to measure on
OVERHEAD = {"cpu": (0.4, 150 * 10**6), "cuda": (0.1, 300 * 10**6), "mps": (0.1, 300 * 10**6)}
GIB = 1024**3
# bytes a weight; 4 bits carry a 32-bit scale for every 64 weights (Dettmers et al. 2023, section 3)
QUANTIZED = {"8bit": 1.0, "4bit": 0.5 + 4 / 64}


@dataclass(frozen=True)
class Lengths:
    """Tokens of the longest prompt and of the longest summary."""

    prompt: int
    summary: int


@dataclass(frozen=True)
class Memory:
    """Bytes of each part at the moment when most is needed; `activations` is what the named parts leave of it."""

    weights: int
    gradients: int = 0
    optimizer: int = 0
    activations: int = 0
    logits: int = 0
    cache: int = 0
    overhead: int = 0

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(vars(self).values())

    def add_overhead(self, device: str) -> "Memory":
        """The same with what allocators and kernels of a device take."""
        share, fixed = OVERHEAD[device]
        return replace(self, overhead=round(share * (self.total - self.weights)) + fixed)


@dataclass(frozen=True)
class PeakMemory:
    """What training and decoding need; `train` is None where nothing is trained."""

    train: Memory | None
    decode: Memory


def build_lengths(metrics: dict[str, Any], builder: "PromptBuilder", params: "Params") -> Lengths:
    """The longest prompt and summary of a run.

    Args:
        metrics: those of preprocess.
        builder: the prompts of the model to be used.
    """
    document = max(cut["tokens_max"] for cut in metrics["truncation"].values())
    prompt = min(document, params.prompt.max_document_tokens or document) + sum(map(len, builder.frame))
    summary = max(metrics["summary"]["tokens_max"], params.decode.max_new_tokens)
    room = builder.context_length - (0 if builder.is_encoder_decoder else summary)
    # solved examples are added until the context is full
    return Lengths(room if params.prompt.shots else max(1, min(prompt, room)), summary)


def estimate_peak_memory(
    model: "PreTrainedModel", params: "Params", lengths: Lengths, precision: str, device: str
) -> PeakMemory:
    """Bytes that training and decoding need at their peak, on each device.

    An upper bound of the run's shape: every example of the fullest batch is taken to be as long as the longest.

    Args:
        model: on the meta device, its adapter attached; what requires a gradient is tuned.
        precision: `bf16`, `fp16` or `fp32`.
        device: `cpu`, `cuda` or `mps`.
    """
    is_tuned = any(parameter.requires_grad for parameter in model.parameters())
    train = _ESTIMATES["train"](model, params, lengths, precision).add_overhead(device) if is_tuned else None
    return PeakMemory(train, _ESTIMATES["decode"](model, params, lengths, precision).add_overhead(device))


def _estimate_training(model: "PreTrainedModel", params: "Params", lengths: Lengths, precision: str) -> Memory:
    tuning = params.train
    examples = tuning.per_device_train_batch_size
    is_encoder_decoder = model.config.is_encoder_decoder
    tokens = lengths.prompt + (0 if is_encoder_decoder else lengths.summary)
    # one position more: the logits that predict a summary's first token stand before it
    labelled = lengths.summary + (not is_encoder_decoder)
    peak = measure_step(model, (examples, tokens, labelled), precision, tuning.gradient_checkpointing)
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    gradients = 4 * trainable
    # gradients grow as activations go; only an accumulated one is there from the start
    step = peak + (gradients if tuning.gradient_accumulation_steps > 1 else 0)
    # in the compute precision, and as fp32 in the loss and in its gradient
    logits = examples * labelled * _count_vocabulary(model) * (get_dtype(precision).itemsize + 8)
    return Memory(
        weights=_count_weights(model, precision, params.model.quantization),
        gradients=gradients,
        optimizer=8 * trainable,
        activations=max(step - gradients - logits, 0),
        logits=min(logits, max(step - gradients, 0)),
    )


def _estimate_decoding(model: "PreTrainedModel", params: "Params", lengths: Lengths, precision: str) -> Memory:
    rows = max(params.decode.batch_size, params.predict.batch_size) * _count_rows(params)
    peak, cache, grown = measure_prefill(model, rows, lengths.prompt, precision)
    cache += grown * params.decode.max_new_tokens
    # as fp32, its log-softmax, and the copy that processors and beam search work on
    logits = 3 * 4 * rows * _count_vocabulary(model)
    weights = _count_weights(model, precision, params.model.quantization)
    return Memory(weights, activations=max(peak - cache, 0), logits=logits, cache=cache)


_ESTIMATES = {"train": _estimate_training, "decode": _estimate_decoding}


def _count_rows(params: "Params") -> int:
    """Rows that a document takes in the widest configuration."""
    return max(c.cost for c in build_configurations(params.decode.grid, params.decode.max_new_tokens))


def _count_vocabulary(model: Any) -> int:
    return model.get_output_embeddings().weight.shape[0]


def _count_weights(model: Any, precision: str, quantization: str | None) -> int:
    """Bytes of the weights; bitsandbytes quantizes frozen linear layers and leaves embeddings and the head."""
    import torch

    head = model.get_output_embeddings()
    linear = {
        id(module.weight)
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module.weight is not head.weight
    }
    total = 0.0
    for parameter in model.parameters():
        size = 4 if parameter.requires_grad else get_dtype(precision).itemsize
        if quantization and id(parameter) in linear and not parameter.requires_grad:
            size = QUANTIZED[quantization]
        total += size * parameter.numel()
    return round(total)


def get_free_memory(device: str, device_map: str | None) -> int:
    """Bytes that this machine could give to a run now; with a device map, of all its GPUs and main memory together."""
    import psutil
    import torch

    if device == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    main_memory = psutil.virtual_memory().available
    if device != "cuda":
        return main_memory
    if device_map is None:
        return torch.cuda.mem_get_info()[0]
    return main_memory + sum(torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count()))


def describe_memory(
    model: "PreTrainedModel", params: "Params", lengths: Lengths, run: tuple[str, str, int]
) -> list[str]:
    """Lines for what a run needs, what is free, and when it does not fit, the one change that helps most.

    Args:
        run: precision, device, free bytes.
    """
    precision, device, free = run
    peak = estimate_peak_memory(model, params, lengths, precision, device)
    # processes on a CPU share its memory; on GPUs each has one
    copies = params.train.processes if device == "cpu" else 1
    needs = {"train": peak.train, "decode": peak.decode}
    described = [f"{stage} about {_describe(memory)}" for stage, memory in needs.items() if memory]
    lines = [f"memory: {'; '.join(described)}; {_format(free)} free on {device}"]
    for stage, memory in needs.items():
        if memory and memory.total * (copies if stage == "train" else 1) > free:
            lines.append(_advise(model, params, lengths, (stage, precision, device, free)))
    return lines


def _advise(model: "PreTrainedModel", params: "Params", lengths: Lengths, run: tuple[str, str, str, int]) -> str:
    """The first remedy after which the stage fits, or the one that saves most."""
    stage, precision, device, free = run
    best, least = "", float("inf")
    for advice, changed, shorter in _list_remedies(params, lengths, stage, device):
        memory = _ESTIMATES[stage](model, changed, shorter, precision).add_overhead(device)
        if memory.total < least:
            best, least = f"{advice} (then about {_format(memory.total)})", memory.total
        if least <= free:
            return f"memory: {stage} will not fit; set {best}"
    last = "spread the weights by model.device_map: auto" if device == "cuda" else "take a smaller model"
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
        if not tuning.gradient_checkpointing:
            yield (
                "train.gradient_checkpointing: true",
                _change(params, "train", {"gradient_checkpointing": True}),
                lengths,
            )
    else:
        batch = max(params.decode.batch_size, params.predict.batch_size)
        while batch > 1:
            batch //= 2
            changed = _change(_change(params, "decode", {"batch_size": batch}), "predict", {"batch_size": batch})
            yield f"decode.batch_size: {batch} and predict.batch_size: {batch}", changed, lengths
    if device == "cuda" and tuning.method != "full" and not params.model.quantization:
        yield "model.quantization: 8bit", _change(params, "model", {"quantization": "8bit"}), lengths
    if lengths.prompt > 256:
        half = lengths.prompt // 2
        yield f"prompt.max_document_tokens: {half}", params, replace(lengths, prompt=half)


def _change(params: "Params", section: str, changes: dict[str, Any]) -> Any:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=changes)})


def _describe(memory: Memory) -> str:
    largest = sorted((name for name, size in vars(memory).items() if size), key=lambda name: -getattr(memory, name))[:3]
    return f"{_format(memory.total)} ({', '.join(f'{name} {_format(getattr(memory, name))}' for name in largest)})"


def _format(size: float) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 1024**2:.0f} MiB"
