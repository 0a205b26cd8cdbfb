"""The device and the precision that a run computes in."""

from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def select_device() -> str:
    """`cuda`, `mps` or `cpu`: the best that this machine has."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def select_precision(precision: str, device: str, model_type: str) -> str:
    """`bf16`, `fp16` or `fp32`. `auto` is bf16 where the device computes it, fp16 on older GPUs, else fp32.

    Raises:
        InputError: for fp16 with T5, whose activations overflow it (transformers#9295), and for fp16 on a CPU, where
            the Trainer would silently train in fp32.
    """
    import torch

    is_t5 = "t5" in model_type
    if precision == "fp16" and is_t5:
        raise InputError(f"model.precision: fp16 overflows in {model_type} and gives NaN; use bf16 or fp32")
    if precision == "fp16" and device == "cpu":
        raise InputError("model.precision: fp16 is for GPUs; this machine has none: use auto, bf16 or fp32")
    if precision != "auto":
        return precision
    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16"
        return "fp32" if is_t5 else "fp16"
    return "bf16" if device == "cpu" and _has_fast_bf16() else "fp32"


def keep_to_one_gpu(arguments: "TrainingArguments") -> "TrainingArguments":
    """Keeps a Trainer that runs alone from sharing each batch out among all GPUs that it sees.

    Its DataParallel would read as many examples more an update, and cannot divide a packed row.
    """
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def set_up_memory() -> None:
    """How this process, which is about to train on a CPU, keeps memory; measured by benchmarks/train_step.py.

    glibc returns every large block at once, and the system fills each new page with zeros: on a virtual machine a
    quarter of a training step. So what tensors give back is kept; but for blocks above the 32 MiB up to which glibc
    itself may do so: with those too among the rest, training in 8 bit took 15 GB instead of 4.
    """
    import ctypes

    keep_few_kernels()
    trim_threshold, mmap_threshold = -1, -3
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        # another C library
        return
    # never trim
    mallopt(trim_threshold, -1)
    mallopt(mmap_threshold, 32 * 2**20)


def keep_few_kernels() -> None:
    """To be called before the first product is made: oneDNN keeps what it compiled for the last 1,024 shapes.

    Each takes a third of a megabyte to one and a half, so that decoding, where the number of rows is another at every
    step, held a gigabyte and more. A step of training needs some 60; decoding the sample's validation took as many CPU
    seconds with 64 as with all.
    """
    import os

    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def release_memory() -> None:
    """Gives the system back what was freed; glibc keeps it where something that lives on lies behind it.

    After a tokenizer was learnt from 100,000 articles that was 310 MB of 520.
    """
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware; elsewhere bf16 is emulated and slower than fp32."""
    import torch

    # torch before 2.9 cannot say; fp32 is right everywhere
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: CUDA says so by type, a CPU's allocator and oneDNN in words."""
    import torch

    words = ("can't allocate memory", "could not create a primitive", "could not create a memory object")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(part in str(error) for part in words)


def get_free_memory(device: str, device_map: str | None = None) -> int:
    """Bytes that a run may still take on a device; with a device map, on all GPUs and in main memory together."""
    import torch

    from pipeline.models.memory_limits import get_free_main_memory

    if device == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    main_memory = get_free_main_memory()
    if device != "cuda":
        return main_memory
    numbers = range(torch.cuda.device_count()) if device_map else [torch.cuda.current_device()]
    free = 0
    for number in numbers:
        # what torch's allocator has taken and does not use is free to us
        kept = torch.cuda.memory_reserved(number) - torch.cuda.memory_allocated(number)
        free += torch.cuda.mem_get_info(number)[0] + kept
    return free + (main_memory if device_map else 0)
