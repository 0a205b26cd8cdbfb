"""The device and the precision that a run computes in."""

from pipeline.errors import InputError


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


def _has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware; elsewhere bf16 is emulated and slower than fp32."""
    import torch

    # torch before 2.9 cannot say; fp32 is right everywhere
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def reuse_freed_memory() -> None:
    """Lets this process keep the memory that tensors give back, so that the next ones need not ask the system for it.

    glibc returns every large block at once, and the system then fills each new page with zeros, which costs a training
    step on a CPU as much as its arithmetic (measured by benchmarks/train_step.py). Other C libraries do as they do.
    """
    import ctypes

    trim_threshold, largest_mapped = -1, -4
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    # never trim; map no block of its own
    mallopt(trim_threshold, -1)
    mallopt(largest_mapped, 0)
