"""Peak memory of a run, estimated before it starts, and what to change when it will not fit.

The parts that follow from counting parameters are those of mixed-precision training (Rajbhandari et al. 2020, "ZeRO",
section 3.1): 4 bytes a trainable weight, 4 for its gradient, 8 for Adam's two moments; frozen weights in the compute
precision. Activations are counted by a dry run (`pipeline.preflight.dry_run`). Against the growth of resident memory
over three real steps on a CPU (GPT-2 125 M in fp32, 4 examples of 256 tokens; LoRA and full, with and without
gradient checkpointing) the training total was 14 % too low to 14 % too high. The decoding total was not measured.

A step of refine is counted in the same way, one document with its candidates; that total was not measured.

Not counted: a teacher (train.distill), and what a library's kernels use for themselves beyond `OVERHEAD`.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipeline.params.grid import build_configurations, count_candidates
from pipeline.preflight.dry_run import get_dtype, measure_document, measure_prefill, measure_step

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.reading import Params

# device -> what allocators and kernels take on top: a share of all but the weights, and bytes. The CPU's are fitted to
# the growth of resident memory over real steps (glibc keeps what it cannot give back); a GPU's allocator wastes less,
# but its figures are an assumption: there was none to measure on
OVERHEAD = {"cpu": (0.4, 150 * 10**6), "cuda": (0.1, 300 * 10**6), "mps": (0.1, 300 * 10**6)}
# bytes a weight; 4 bits carry a 32-bit scale for every 64 weights (Dettmers et al. 2023, section 3)
QUANTIZED = {"8bit": 1.0, "4bit": 0.5 + 4 / 64}


@dataclass(frozen=True)
class Lengths:
    """Tokens of the longest prompt and of the longest summary, and of a training example of the middle length."""

    prompt: int
    summary: int
    example: int


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
    """What training, refining and decoding need; None where nothing is trained or refined."""

    train: Memory | None
    refine: Memory | None
    decode: Memory


def build_lengths(details: dict[str, Any], builder: "PromptBuilder", params: "Params") -> Lengths:
    """The longest prompt and summary of a run.

    Args:
        details: those of preprocess.
        builder: the prompts of the model to be used.
    """
    if "text" in details:
        return _build_text_lengths(details, params)
    document = max(cut["tokens_max"] for cut in details["truncation"].values())
    frame, most = sum(map(len, builder.frame)), params.prompt.max_document_tokens or document
    prompt = min(document, most) + frame
    usual = min(details["truncation"]["train"]["tokens_median"], most) + frame
    summary = max(details["summary"]["tokens_max"], params.decode.max_new_tokens)
    room = builder.context_length - (0 if builder.is_encoder_decoder else summary)
    # solved examples are added until the context is full
    prompt, usual = (room if params.prompt.shots else max(1, min(length, room)) for length in (prompt, usual))
    return Lengths(prompt, summary, usual + (0 if builder.is_encoder_decoder else details["summary"]["tokens_median"]))


def _build_text_lengths(details: dict[str, Any], params: "Params") -> Lengths:
    """The longest opening, and a block of text, all labels but its first token."""
    prompt = max(cut["tokens_max"] for cut in details["truncation"].values())
    block = min(details["text"]["block_size"], details["text"]["tokens"] + details["rows"]["train"])
    room = details["context_length"] - params.decode.max_new_tokens
    return Lengths(max(1, min(prompt, room)), block - 1, block)


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
    train = ESTIMATES["train"](model, params, lengths, precision).add_overhead(device) if is_tuned else None
    is_refined = is_tuned and params.refine.method != "none"
    refine = ESTIMATES["refine"](model, params, lengths, precision).add_overhead(device) if is_refined else None
    return PeakMemory(train, refine, ESTIMATES["decode"](model, params, lengths, precision).add_overhead(device))


def _estimate_training(model: "PreTrainedModel", params: "Params", lengths: Lengths, precision: str) -> Memory:
    tuning = params.train
    examples = tuning.per_device_train_batch_size
    is_encoder_decoder = model.config.is_encoder_decoder
    # of a block of text only the first token is no label
    prompt = 1 if params.task == "generation" else lengths.prompt
    tokens = prompt + (0 if is_encoder_decoder else lengths.summary)
    peak = measure_step(model, (examples, tokens, lengths.summary), precision, tuning.gradient_checkpointing)
    # gradients grow as activations go; only an accumulated one is there from the start
    is_accumulated = tuning.gradient_accumulation_steps > 1
    memory = _add_up(model, params, (peak, examples * lengths.summary, is_accumulated), precision)
    return _share_out(memory, tuning.processes) if tuning.parallel == "fsdp" else memory


def _share_out(memory: Memory, processes: int) -> Memory:
    """What each of so many processes holds (Rajbhandari et al. 2020, stage 3); not counted is the layer that is whole
    while it computes."""
    shares = {name: -(-getattr(memory, name) // processes) for name in ("weights", "gradients", "optimizer")}
    return replace(memory, **shares)


def _estimate_refining(model: "PreTrainedModel", params: "Params", lengths: Lengths, precision: str) -> Memory:
    """One document with all its candidates, and a reference; each as long as the longest."""
    tokens = params.prompt.max_summary_tokens
    candidates = count_candidates(build_configurations(params.explore.grid, tokens))
    read = {"best": 1, "dpo": 3}.get(params.refine.method, candidates + 1)
    peak = measure_document(model, (lengths.prompt, read, tokens), precision, params.train.gradient_checkpointing)
    is_accumulated = params.refine.per_device_train_batch_size > 1
    return _add_up(model, params, (peak, read * tokens, is_accumulated), precision)


def _add_up(model: "PreTrainedModel", params: "Params", step: tuple[int, int, bool], precision: str) -> Memory:
    """What a step of training takes in all.

    Args:
        step: most bytes alive at once, labels, whether gradients are there from the start.
    """
    peak, labels, is_accumulated = step
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    gradients = 4 * trainable
    alive = peak + (gradients if is_accumulated else 0)
    # they and their gradient
    logits = labels * _count_vocabulary(model) * 2 * get_dtype(precision).itemsize
    return Memory(
        weights=_count_weights(model, precision, params.model.quantization),
        gradients=gradients,
        optimizer=8 * trainable,
        activations=max(alive - gradients - logits, 0),
        logits=min(logits, max(alive - gradients, 0)),
    )


def _estimate_decoding(model: "PreTrainedModel", params: "Params", lengths: Lengths, precision: str) -> Memory:
    # null: the decoder takes as many documents as memory holds, so one is what it must hold
    rows = max(params.decode.batch_size or 1, params.predict.batch_size or 1) * _count_rows(params)
    peak, cache, grown = measure_prefill(model, rows, lengths.prompt, precision)
    cache += grown * params.decode.max_new_tokens
    # as fp32, its log-softmax, and the copy that processors and beam search work on
    logits = 3 * 4 * rows * _count_vocabulary(model)
    weights = _count_weights(model, precision, params.model.quantization)
    return Memory(weights, activations=max(peak - cache, 0), logits=logits, cache=cache)


ESTIMATES = {"train": _estimate_training, "refine": _estimate_refining, "decode": _estimate_decoding}


def _count_rows(params: "Params") -> int:
    """Rows that a document takes in the widest configuration."""
    return max(c.cost for c in build_configurations(params.decode.grid, params.decode.max_new_tokens))


def _count_vocabulary(model: Any) -> int:
    return model.get_output_embeddings().weight.shape[0]


def _count_weights(model: Any, precision: str, quantization: str | None) -> int:
    """Bytes of the weights; bitsandbytes quantizes frozen linear layers and leaves embeddings and the head."""
    import torch

    head = model.get_output_embeddings()
    # peft's layer of trained rows has the head in it
    head = getattr(head, "original_module", head)
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
