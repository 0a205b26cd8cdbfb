"""The command line: one thin command a stage, and what a participant does beside the graph.

The only place that prints errors and exits. torch, transformers and pandas are imported inside the commands, so that
`--help` answers at once.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from pipeline.cli.check import check, sample
from pipeline.cli.experiments import compare, folds
from pipeline.cli.leaderboard import leaderboard_app
from pipeline.cli.preset import preset_app
from pipeline.cli.refining import explore, refine
from pipeline.cli.results import decode, export, predict, score
from pipeline.cli.stages import preprocess, pretrain, train
from pipeline.errors import InputError


class _RefusingGroup(TyperGroup):
    """Turns "your input" errors into their lines on stderr and exit status 2; bugs keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            for mistake in error.mistakes:
                typer.secho(mistake, err=True, fg="red")
        except OSError as error:
            if error.errno is None:
                raise
            typer.secho(f"{error.filename or 'disk'}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(2)


app = typer.Typer(
    cls=_RefusingGroup,
    help="Yoyak: from a Korean summarization competition's train.csv to the submission.csv.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
STAGES = (preprocess, pretrain, train, explore, refine, decode, score, predict, export)
for command in (*STAGES, check, sample, compare, folds):
    app.command()(command)
for name, group in {"leaderboard": leaderboard_app, "preset": preset_app}.items():
    app.add_typer(group, name=name, cls=_RefusingGroup)
