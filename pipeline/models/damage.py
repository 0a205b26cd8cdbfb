"""What torch and safetensors say of a file that is damaged, would run code when it is read, or cannot be written: in
one line.

Weights and checkpoints are read as tensors and numbers alone (`weights_only`).
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, EFBIG, EINVAL, EIO, ENOSPC, EPERM, EROFS
from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError

from pipeline.errors import InputError

# what a disk answers, and not a mistake in code
_OF_A_DISK = (EACCES, EDQUOT, EFBIG, EIO, ENOSPC, EPERM, EROFS)


@contextmanager
def refuse_unwritable(folder: Path) -> Iterator[None]:
    """Turns what is raised inside the block where a file in a folder cannot be written into an OSError that names the
    folder, whichever library wrote; whatever else is raised passes."""
    try:
        yield
    except Exception as error:
        number, named = _find_errno(error, folder), getattr(error, "filename", None)
        # a file elsewhere is another matter
        if number not in _OF_A_DISK or (named and folder.name not in str(named)):
            raise
        raise OSError(number, os.strerror(number), str(folder)) from error


def _find_errno(error: Exception, folder: Path) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    # safetensors and tokenizers say it as Rust does
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        return int(found[1])
    if not any(sign in str(error) for sign in ("PytorchStreamWriter", "iostream error")):
        return None
    # torch does not say why
    return ENOSPC if shutil.disk_usage(folder.parent).free < 2**20 else EIO


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
