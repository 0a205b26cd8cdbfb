"""A training step and a prefill without memory: how many bytes live at once, counted and not guessed.

The model and its batch are torch's fake tensors, which have shapes, types and a device but no storage (see "Fake
tensor" in PyTorch's documentation of torch.compile). Every operation of the real code runs on them, and a dispatch mode
adds up the storages that are alive. So what autograd keeps, what autocast copies, what attention leaves behind and what
checkpointing computes again need no formula for each family of models. The device is always a CPU's, so where a GPU
chooses another attention kernel the count is the CPU's. tests/test_memory.py compares it with the profiler's record of
real steps.
"""

import copy
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def measure_step(model: "PreTrainedModel", shape: tuple[int, int, int], precision: str, checkpointing: bool) -> int:
    """Most bytes alive at once in one forward and backward pass, parameters left out.

    Args:
        model: on the meta device; whatever requires a gradient is tuned, in fp32. It is not changed.
        shape: examples, tokens of each (prompt and summary, or an encoder's source), tokens with labels.
        precision: `bf16`, `fp16` or `fp32`; frozen weights are held in it, and autocast computes in it.
        checkpointing: whether activations are computed again.
    """
    from pipeline.training.packed_model import packed

    @contextmanager
    def learn(replica: Any) -> "Iterator[torch.Tensor]":
        with packed(replica) if reads_packed_rows(replica) else nullcontext() as packing:
            yield _compute_loss(replica, shape, packing)

    return _measure(model, learn, precision, checkpointing)


def measure_document(model: "PreTrainedModel", shape: tuple[int, int, int], precision: str, checkpointing: bool) -> int:
    """As `measure_step`, for a step that reads one document and several summaries of it.

    Args:
        shape: tokens of the prompt, summaries, tokens of each.
    """
    import torch

    from pipeline.models.likelihoods import BRANCHES, ENCODED_ONCE, ROWS, compute_logits
    from pipeline.training.cross_entropy import sum_cross_entropy

    prompt, count, tokens = shape

    @contextmanager
    def learn(replica: Any) -> "Iterator[torch.Tensor]":
        is_encoder_decoder = replica.config.is_encoder_decoder and not _is_prompt_tuned(replica)
        way = ENCODED_ONCE if is_encoder_decoder else BRANCHES if reads_packed_rows(replica) else ROWS
        with ExitStack() as held:
            logits, _ = compute_logits(replica, [1] * prompt, [[1] * tokens] * count, way, held)
            yield sum_cross_entropy(logits, logits.new_ones(len(logits), dtype=torch.long))

    return _measure(model, learn, precision, checkpointing)


def _measure(
    model: "PreTrainedModel",
    learn: "Callable[[Any], AbstractContextManager[torch.Tensor]]",
    precision: str,
    checkpointing: bool,
) -> int:
    """Most bytes alive at once while `learn` gives a replica's loss, and in the backward pass inside of its block."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from pipeline.training.fused import fused, is_fused

    # before the fake mode, which takes tensors of its own only
    replica: Any = copy.deepcopy(model)
    with FakeTensorMode(allow_non_fake_inputs=True), fused(replica):
        _fill_with_fake_tensors(replica, get_dtype(precision))
        replica.train()
        if checkpointing:
            _enable_checkpointing(replica)
        with _count_storages(replica) as counter, ExitStack() as stack:
            with nullcontext() if is_fused(replica) else _autocast(precision):
                loss = stack.enter_context(learn(replica))
            loss.backward()
    return counter.peak


def _compute_loss(model: Any, shape: tuple[int, int, int], packing: Any) -> "torch.Tensor":
    """The loss of a batch as `pipeline.training.batches` would make it, all examples of one length."""
    import torch

    from pipeline.training.cross_entropy import sum_cross_entropy
    from pipeline.training.packing import build_row

    examples, tokens, labelled = shape
    if packing:
        row = build_row([[1] * tokens] * examples, [labelled] * examples)
        logits = model(**packing.read(row), use_cache=False).logits[0]
        return sum_cross_entropy(logits, torch.ones(len(logits), dtype=torch.long))
    ids = torch.ones(examples, tokens, dtype=torch.long)
    padded: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.config.is_encoder_decoder:
        padded["decoder_input_ids"] = ids.new_ones(examples, labelled)
    elif not _is_prompt_tuned(model):
        # one position more: the logits that predict a summary's first token stand before it
        padded["logits_to_keep"] = labelled + 1
    if not _is_prompt_tuned(model):
        # a prefix is handed over as a cache
        padded["use_cache"] = False
    logits = model(**padded).logits.flatten(0, 1)
    return sum_cross_entropy(logits, ids.new_ones(len(logits)))


def reads_packed_rows(model: Any) -> bool:
    """Whether training will pack a model's batches, as far as its config says."""
    from pipeline.models.attentions import find_attention_obstacle, get_bare_model

    bare = get_bare_model(model)
    return not (bare.config.is_encoder_decoder or _is_prompt_tuned(model) or find_attention_obstacle(bare))


def measure_prefill(model: "PreTrainedModel", rows: int, tokens: int, precision: str) -> tuple[int, int, int]:
    """What reading the prompts takes: most bytes alive at once, bytes of the cache, and of each further token's.

    Args:
        model: on the meta device. It is not changed.
        rows: sequences decoded together, beams included.
        tokens: of the longest prompt.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    replica: Any = copy.deepcopy(model)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        _fill_with_fake_tensors(replica, get_dtype(precision))
        replica.eval()
        is_encoder_decoder = replica.config.is_encoder_decoder
        ids = torch.ones(rows, tokens, dtype=torch.long)
        batch: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        batch |= {"decoder_input_ids": ids[:, :1]} if is_encoder_decoder else {"logits_to_keep": 1}
        # decoding merges the adapter, so its matrices are gone
        base = getattr(replica, "disable_adapter", nullcontext)
        with _count_storages(replica) as counter, base():
            cache = replica(**batch, use_cache=True).past_key_values
        if not is_encoder_decoder:
            size = _measure_cache(cache)
            return counter.peak, size, size // tokens
        # the cross-attention's part has the length of the source and never grows
        growing = _measure_cache(cache.self_attention_cache)
        return counter.peak, growing + _measure_cache(cache.cross_attention_cache), growing


def get_dtype(precision: str) -> "torch.dtype":
    """torch's type for a precision."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


def _measure_cache(cache: Any) -> int:
    return sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))


def _autocast(precision: str) -> AbstractContextManager:
    import torch

    return nullcontext() if precision == "fp32" else torch.autocast("cpu", dtype=get_dtype(precision))


def _enable_checkpointing(model: Any) -> None:
    with warnings.catch_warnings():
        # transformers 5 is renaming the method; both names work until 6
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _is_prompt_tuned(model: Any) -> bool:
    return bool(getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False))


def _fill_with_fake_tensors(model: Any, dtype: "torch.dtype") -> None:
    """Gives a meta model's parameters and buffers fake storage: fp32 where trainable, `dtype` elsewhere; ties stay."""
    import torch

    made: dict[int, Any] = {}

    def make(tensor: "torch.Tensor") -> "torch.Tensor":
        if id(tensor) not in made:
            kind = tensor.dtype if not tensor.is_floating_point() else torch.float32 if tensor.requires_grad else dtype
            fake = torch.empty(tensor.shape, dtype=kind, device="cpu")
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            made[id(tensor)] = torch.nn.Parameter(fake, tensor.requires_grad) if is_parameter else fake
        return made[id(tensor)]

    # the old tensors must outlive the loop, or a new one could take an old one's id
    kept = [*model.parameters(), *model.buffers()]
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            tensors.update({name: make(tensor) for name, tensor in tensors.items() if tensor is not None})
    del kept


def _count_storages(model: Any) -> Any:
    """A context in which `peak` becomes the most bytes that lived at once in storages made by operations."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Counter(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.alive = self.peak = 0
            # views of weights are no new memory
            owned = [*model.parameters(), *model.buffers()]
            self.known = {tensor.untyped_storage()._cdata: 0 for tensor in owned}

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for tensor in tree_leaves(result):
                if isinstance(tensor, torch.Tensor):
                    self._add(tensor.untyped_storage())
            return result

        def _add(self, storage: Any) -> None:
            key = storage._cdata
            if key not in self.known:
                self.known[key] = storage.nbytes()
                self.alive += storage.nbytes()
                self.peak = max(self.peak, self.alive)
                weakref.finalize(storage, self._remove, key)

        def _remove(self, key: int) -> None:
            self.alive -= self.known.pop(key)

    return Counter()
