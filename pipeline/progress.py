"""Progress bars for a person at a terminal, silence for a pipe or a log."""

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from transformers import Trainer

Item = TypeVar("Item")


def is_interactive() -> bool:
    """Whether somebody watches: the error stream is a terminal."""
    return sys.stderr.isatty()


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a bar while they are taken; no bar when nobody watches."""
    from tqdm import tqdm

    return iter(tqdm(items, desc=description, total=total, disable=None, leave=False))


def announce(line: str) -> None:
    """Says something that a participant should know while a stage runs."""
    print(line, flush=True)


def quieten_libraries() -> None:
    """Silences what libraries say to their own developers, and progress bars when nobody watches."""
    import warnings
    from logging import ERROR, getLogger

    from transformers.utils import logging

    # peft 0.21 asks for an attribute that transformers 5 renamed; nothing that a participant could mend
    warnings.filterwarnings("ignore", category=FutureWarning, message=".*gradient_checkpointing.*")
    # peft sets it right for GPT-2's Conv1D by itself
    warnings.filterwarnings("ignore", category=UserWarning, message="fan_in_fan_out is set to False")
    # a line for every product of an 8-bit layer in bf16
    getLogger("bitsandbytes").setLevel(ERROR)
    if not is_interactive():
        logging.disable_progress_bar()


def hush(trainer: "Trainer") -> None:
    """Keeps a Trainer from printing its log as dictionaries; the metrics files hold it."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
