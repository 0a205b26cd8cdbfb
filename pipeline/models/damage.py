"""What torch and safetensors say of a file that is damaged, or that would run code when it is read, in one line.

Weights and checkpoints are read as tensors and numbers alone (`weights_only`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError

from pipeline.errors import InputError


@contextmanager
def refuse_damage(folder: Path | None, advice: str) -> Iterator[None]:
    """Turns what a damaged file raises inside the block into InputError; whatever else is raised passes.

    Args:
        folder: that is read; None for nothing.
        advice: what a participant can do about it.
    """
    try:
        yield
    except (UnpicklingError, SafetensorError, EOFError, RuntimeError, OSError) as error:
        if folder is None or not _is_damage(error):
            raise
        raise InputError(f"{folder}: cannot be read: {_describe(error)}; {advice}") from error


def _is_damage(error: Exception) -> bool:
    if isinstance(error, OSError):
        # a zip that ends early lets torch seek to before its beginning
        return error.errno == EINVAL and error.filename is None
    return not isinstance(error, RuntimeError) or "PytorchStreamReader" in str(error)


def _describe(error: Exception) -> str:
    if isinstance(error, UnpicklingError) and "nsupported" in str(error):
        return "it holds more than tensors and numbers, which could run code"
    if isinstance(error, OSError):
        return "a file in it ends early"
    return (str(error).strip() or type(error).__name__).splitlines()[0]
