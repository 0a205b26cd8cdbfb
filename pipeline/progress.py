"""Progress: a bar for a person at a terminal, and in a pipe or a log a line now and then."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from transformers import Trainer, TrainerState

Item = TypeVar("Item")
# seconds: work that takes less shows no bar, and a log gets a line as often
SHORT, EVERY = 2.0, 60.0


def is_interactive() -> bool:
    """Whether somebody watches: the error stream is a terminal."""
    return sys.stderr.isatty()


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """The items; while they are taken, a bar with rate and remaining time, or lines when nobody watches."""
    if is_interactive():
        from tqdm import tqdm

        return iter(tqdm(items, desc=description, total=total, leave=False, delay=SHORT))
    return _pace(items, Pace(description, total if total is not None else _count(items)))


def _count(items: Iterable[object]) -> int | None:
    return len(items) if hasattr(items, "__len__") else None  # pyright: ignore[reportArgumentType]


def _pace(items: Iterable[Item], pace: "Pace") -> Iterator[Item]:
    for number, item in enumerate(items):
        pace.report(number)
        yield item


class Pace:
    """Tells a log how far long work is, every so many seconds; short work passes in silence.

    Args:
        total: what there is to do; None if nobody knows.
        done: what an earlier run did.
    """

    def __init__(self, description: str, total: int | None, done: int = 0):
        self.description, self.total, self.first = description, total, done
        self.begun = self.said = time.monotonic()

    def report(self, done: int) -> None:
        """Says a line if it is time."""
        now = time.monotonic()
        if now - self.said < EVERY:
            return
        self.said = now
        # of several processes that share the work, one speaks
        if os.environ.get("RANK", "0") == "0":
            rate = (done - self.first) / (now - self.begun)
            print(describe_pace(self.description, done, self.total, rate), file=sys.stderr, flush=True)


def describe_pace(description: str, done: int, total: int | None, rate: float) -> str:
    """One line on work that goes on.

    Args:
        rate: a second.

    >>> describe_pace("train", 120, 2000, 0.5)
    'train: 120 of 2,000 (6%), 2.0 s each, 1 h 03 min left'
    """
    speed = f"{rate:,.1f} a second" if rate >= 1 else f"{1 / rate:,.1f} s each" if rate else "nothing yet"
    if total is None:
        return f"{description}: {done:,}, {speed}"
    minutes = round((total - done) / rate / 60) if rate else None
    left = "" if minutes is None else f", {minutes // 60} h {minutes % 60:02} min left" if minutes >= 60 else ""
    left = left or ("" if minutes is None else f", {minutes or '<1'} min left")
    return f"{description}: {done:,} of {total:,} ({done / max(total, 1):.0%}), {speed}{left}"


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
    """Keeps a Trainer from printing its log as dictionaries, which the metrics files hold; a line now and then instead
    where nobody watches its bar."""
    from transformers import PrinterCallback, TrainerCallback

    class Paced(TrainerCallback):
        pace: Pace | None = None

        def on_step_end(self, args: object, state: "TrainerState", control: object, **given: object) -> None:
            self.pace = self.pace or Pace(name, state.max_steps, state.global_step - 1)
            self.pace.report(state.global_step)

    name = "train"
    trainer.remove_callback(PrinterCallback)
    if not is_interactive():
        trainer.add_callback(Paced())
