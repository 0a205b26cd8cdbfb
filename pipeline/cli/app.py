"""The command line: one thin command a stage, and what a participant does beside the graph.

The only place that prints errors and exits. torch, transformers and pandas are imported inside the commands, so that
`--help` answers at once.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from pipeline.cli.check import check, mend, sample
from pipeline.cli.ensemble import ensemble
from pipeline.cli.experiments import compare, experiments
from pipeline.cli.folds import folds
from pipeline.cli.leaderboard import leaderboard_app
from pipeline.cli.preset import preset_app
from pipeline.cli.refining import explore, refine
from pipeline.cli.report import report
from pipeline.cli.results import decode, export, predict, rank, score
from pipeline.cli.stages import preprocess, pretrain, train
from pipeline.errors import InputError

STAGES, LOOKING, SETTINGS = "Stages, in their order (dvc repro runs what is out of date)", "Looking", "Setting up"

_ONE_TOO_LARGE = "one document alone does not fit: lower prompt.max_document_tokens, or num_beams and max_new_tokens"
# by command, what to set; train and refine say it themselves
WHERE_MEMORY_ENDS = {
    "preprocess": "set data.limit, or preprocess.clean to less",
    "pretrain": "lower pretrain.per_device_train_batch_size, pretrain.block_size or the size of the model",
    **dict.fromkeys(("explore", "decode", "rank", "predict"), _ONE_TOO_LARGE),
}


class _RefusingGroup(TyperGroup):
    """Turns "your input" errors into their lines on stderr and exit status 2; bugs keep their traceback."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Commands by what they are for, each with the whole first sentence of its help."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            panel = getattr(command, "rich_help_panel", None)
            panel = panel if isinstance(panel, str) else "Commands"
            panels.setdefault(panel, []).append((name, " ".join((command.help or "").split("\n\n")[0].split())))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            with _stop_on_signals():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            _say_stopped("Ctrl-C")
            raise typer.Exit(128 + signal.SIGINT) from None
        except _Terminated:
            _say_stopped("SIGTERM")
            raise typer.Exit(128 + signal.SIGTERM) from None
        except InputError as error:
            for mistake in error.mistakes:
                typer.secho(mistake, err=True, fg="red")
        except BrokenPipeError:
            # who reads, as `head`, has read enough, and click ends without a word
            raise
        except OSError as error:
            if error.errno is None:
                raise
            typer.secho(f"{error.filename or 'disk'}: {error.strerror}", err=True, fg="red")
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            command = ctx.invoked_subcommand or ""
            advice = WHERE_MEMORY_ENDS.get(command, "the data, or what is computed of them, do not fit into it")
            typer.secho(f"{command}: out of memory; {advice}", err=True, fg="red")
        raise typer.Exit(2)


def _is_out_of_memory(error: Exception) -> bool:
    # only torch says it otherwise
    if isinstance(error, MemoryError) or "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from pipeline.models.devices import is_out_of_memory

    return is_out_of_memory(error)


class _Terminated(BaseException):
    """SIGTERM; as KeyboardInterrupt, so that whoever holds something lets go of it."""


def _terminate(*_: object) -> None:
    raise _Terminated


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    """SIGTERM is raised, as Ctrl-C is. The processes of a command leave both to the one that started them."""
    if "LOCAL_RANK" in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_stopped(by: str) -> None:
    typer.secho(f"stopped by {by}; no file is half-written, and the same command goes on", err=True, fg="red")


app = typer.Typer(
    cls=_RefusingGroup,
    help="Yoyak: from a Korean summarization competition's train.csv to the submission.csv.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
PANELS = {
    STAGES: (preprocess, pretrain, train, explore, refine, decode, rank, score, predict, export, report),
    LOOKING: (check, compare, experiments, folds, ensemble),
    SETTINGS: (sample, mend),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(leaderboard_app, name="leaderboard", cls=_RefusingGroup, rich_help_panel=LOOKING)
app.add_typer(preset_app, name="preset", cls=_RefusingGroup, rich_help_panel=SETTINGS)
