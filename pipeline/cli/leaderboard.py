"""leaderboard: the scores of every configuration, and of submissions."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.competition import get_columns
from pipeline.cli.loading import ParamsFile, load_params
from pipeline.errors import InputError
from pipeline.paths import LEADERBOARD, LEDGER, PARAMS, SELECTION, SUBMISSIONS

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from pipeline.params.reading import Params

leaderboard_app = typer.Typer(help="The scores of every configuration, and of a submission.", no_args_is_help=True)


def load_leaderboard() -> "pd.DataFrame":
    """metrics/leaderboard.csv. Raises InputError if it is not what score writes, as after a merge of git's."""
    from pipeline.tables import load_csv

    numbers = ("score", "difference", "difference_low", "difference_high", "cost")
    # a family may be named NA or 001
    board = load_csv(LEADERBOARD, ("name", "kind"), numbers)
    # the lines that git leaves in a merge have a name and nothing else
    if board.empty or bool(board["cost"].isna().any()):
        raise InputError(f"{LEADERBOARD}: is not what its stage writes; run that stage again")
    return board


def print_leaderboard(selected: str, wide: bool = False) -> None:
    from pipeline.history.leaderboard import render_leaderboard

    print_table(render_leaderboard(load_leaderboard(), selected, wide))


def print_table(table: "Table") -> None:
    from rich.console import Console

    with suppress(BrokenPipeError):
        # a pipe has no width of its own; the table must not be folded to 80 columns there. Brackets in a cell, as
        # those of a prompt's [INST], are the cell's own
        Console(width=None if Console().is_terminal else 200, markup=False).print(table)


def list_submission(name: str, content: bytes, listed: "Params") -> None:
    """Lists a submission in the ledger; it is written by now, so whatever is wrong with the ledger is only said."""
    from pipeline.history.submissions import append_to_ledger, find_tracked_ledger

    try:
        if same := append_to_ledger(name, content, listed):
            typer.echo(f"{LEDGER}: the same content is listed already, as {same}")
        if line := find_tracked_ledger():
            typer.echo(line)
    except (InputError, OSError) as error:
        reason = error.mistakes[0] if isinstance(error, InputError) else f"{LEDGER}: {error.strerror}"
        hint = "the submission is written, but not listed; mend that, then python -m pipeline export lists it"
        typer.secho(f"{reason}; {hint}", fg="yellow")


@leaderboard_app.command("show")
def leaderboard_show(
    wide: Annotated[bool, typer.Option("--wide", help="Whole names and all figures, in 190 characters.")] = False,
) -> None:
    """Print the last run's leaderboard, and the submissions with the board's answers.

    Example: python -m pipeline leaderboard show
    """
    from pipeline.history.agreement import describe_ledger
    from pipeline.history.ledger import render_table
    from pipeline.history.submissions import load_ledger
    from pipeline.tables import load_record

    # before the ledger is read, which can be damaged
    if is_scored := LEADERBOARD.is_file():
        print_leaderboard(load_record(SELECTION, "name")["name"], wide)
    rows = load_ledger()
    if not rows and not is_scored:
        raise InputError(f"{LEADERBOARD}: no such file; dvc repro makes it")
    if rows:
        print_table(render_table(rows, wide))
        for line in describe_ledger(rows):
            typer.echo(line)


@leaderboard_app.command("record")
def leaderboard_record(
    name: Annotated[str, typer.Argument(help="A submission's name, or the sha256 in leaderboard show.")],
    public: Annotated[float | None, typer.Option(help="The public board's score.")] = None,
    private: Annotated[float | None, typer.Option(help="The private board's score.")] = None,
) -> None:
    """Write the board's answer to a submission into the ledger: into the row of the file that lies there now.

    Example: python -m pipeline leaderboard record submission --public 0.4835
    """
    from pipeline.history.ledger import describe_row
    from pipeline.history.submissions import find_tracked_ledger, record_answers

    row = record_answers(name, public, private)
    typer.echo(f"{LEDGER}: recorded for {describe_row(row)}")
    if line := find_tracked_ledger():
        typer.echo(line)


@leaderboard_app.command("grade")
def leaderboard_grade(
    name: Annotated[str, typer.Argument(help="A submission's name, without its suffix.")],
    answers: Annotated[Path, typer.Option(help="A file with the true summaries by id.")],
    params_file: ParamsFile = PARAMS,
) -> None:
    """Score a submission against answers, as a board would. Never select with it.

    Example: python -m pipeline leaderboard grade submission --answers data/sample/answers.csv
    """
    from pipeline.competition.formats import parse_answers, parse_predictions
    from pipeline.scoring.rouge.pairs import combine_metrics, compute_rouge
    from pipeline.scoring.rouge.reference import check_with_reference
    from pipeline.scoring.rouge.tokenizers import describe_tokenizer
    from pipeline.scoring.rows import list_metrics
    from pipeline.tables import load_bytes

    params = load_params(params_file)
    path = SUBMISSIONS / f"{name}.{params.export.format.suffix}"
    # export.format.encoding may have been another when the file was written
    columns, _ = get_columns(params.data)
    predicted = parse_predictions(load_bytes(path), str(path), columns, None)
    true = parse_answers(load_bytes(answers), str(answers), columns, None)
    if set(predicted["id"]) != set(true["id"]):
        unmatched = sorted(set(predicted["id"]) ^ set(true["id"]))
        raise InputError(
            f"{path} and {answers}: {len(unmatched)} ids stand in only one of them, first {unmatched[0]!r}"
        )
    summaries = list(predicted.set_index("id")["summary"].loc[true["id"]])
    references = list(true["summaries"])
    metrics = compute_rouge(summaries, references, params.score.tokenizer, list_metrics(params.score))
    agreed = check_with_reference(summaries, references, params.score.tokenizer, metrics)
    total = combine_metrics(metrics, params.score.weights).mean()
    parts = "  ".join(f"{metric} {value:.4f}" for metric, value in metrics.mean().items())
    typer.echo(f"{path}: score {total:.4f}  {parts}  on {describe_tokenizer(params.score.tokenizer)}")
    typer.echo(agreed)
