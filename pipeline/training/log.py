"""What a training run logs: its losses by step, told while it runs, and what validation said.

A checkpoint holds the log up to its step, so a run that goes on tells each step once, whatever a killed run had told.
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    import pandas as pd
    from transformers import TrainerControl, TrainerState, TrainingArguments

Log = Sequence[Mapping[str, Any]]
Listener = Callable[["pd.DataFrame"], None]

_COLUMNS = ["step", "loss", "learning_rate"]
# seconds between two tellings at least, for the whole history is told each time
PAUSE = 2.0


def build_history(log: Log) -> "pd.DataFrame":
    """plots/train.csv: a row for each time that the loss was logged."""
    import pandas as pd

    return pd.DataFrame([{name: entry[name] for name in _COLUMNS} for entry in list_losses(log)], columns=_COLUMNS)


def list_losses(log: Log) -> list[Mapping[str, Any]]:
    """The entries that hold a training loss."""
    return [entry for entry in log if "loss" in entry]


def list_validations(log: Log) -> list[dict[str, float]]:
    """`step` and `loss` of each validation, and `rouge` where it was asked for."""
    names = {"step": "step", "eval_loss": "loss", "eval_rouge": "rouge"}
    found = [{new: entry[old] for old, new in names.items() if old in entry} for entry in log if "eval_loss" in entry]
    return [{name: value if name == "step" else round(value, 4) for name, value in entry.items()} for entry in found]


class WindowCallback(TrainerCallback):
    """Logs whenever a checkpoint is made, so that none of the losses that are logged is a mean of steps before and
    after it: a run that goes on from there could not know those before."""

    def on_step_end(
        self, args: "TrainingArguments", state: "TrainerState", control: "TrainerControl", **_: Any
    ) -> None:
        control.should_log = control.should_log or control.should_save

    def on_epoch_end(
        self, args: "TrainingArguments", state: "TrainerState", control: "TrainerControl", **_: Any
    ) -> None:
        self.on_step_end(args, state, control)


class HistoryCallback(TrainerCallback):
    """Tells a listener the whole history when the loss is logged; in one process of several."""

    def __init__(self, listener: Listener):
        self.listener, self.told = listener, -PAUSE

    def on_log(
        self,
        args: "TrainingArguments",
        state: "TrainerState",
        control: "TrainerControl",
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and "loss" in (logs or {}) and monotonic() - self.told >= PAUSE:
            self.listener(build_history(state.log_history))
            self.told = monotonic()
