"""report: what a run left, on one page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.leaderboard import load_leaderboard
from pipeline.cli.loading import ParamsFile, load_examples
from pipeline.cli.sections import load_stage_params
from pipeline.errors import InputError
from pipeline.paths import AXES, DETAILS, PARAMS, PLOTS, PROCESSED, REPORT, SELECTION, SUBMISSIONS, VALID_SCORES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.reporting.results import Ledger, Results, Submission

# what reading and computing depends on
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "korouge-score", "python-mecab-ko", "dvc")


def report(params_file: ParamsFile = PARAMS) -> None:
    """Write reports/report.html: what won, how sure that is, and every example to look at.

    Example: python -m pipeline report
    """
    from pipeline.stages.report import report as build_report
    from pipeline.tables import save_bytes, save_csv

    params = load_stage_params("report", params_file)
    path = SUBMISSIONS / f"{params.export.name}.{params.export.format.suffix}"
    made = build_report(load_results(path), params)
    save_bytes(made.html.encode(), REPORT)
    save_csv(made.axes, AXES)
    typer.echo(f"{REPORT}: {len(made.html.encode()) / 1e6:.1f} MB, open it in a browser")


def load_results(submission: "Path") -> "Results":
    """What the graph left, and the ledger beside it. Raises InputError if the leaderboard is not there."""
    from pipeline.reporting.results import Results
    from pipeline.tables import SCORES, load_record, load_table

    stages = ("preprocess", "pretrain", "train", "decode", "scores")
    files = {stage: DETAILS / f"{stage}.json" for stage in stages}
    return Results(
        board=load_leaderboard(),
        scores=load_table(VALID_SCORES, SCORES),
        examples=load_examples("valid")["valid"],
        selection=load_record(SELECTION, "name"),
        details={stage: load_record(file) for stage, file in files.items() if file.is_file()},
        history=load_if_there(PLOTS / "train.csv", (), ("step", "loss", "learning_rate")),
        removed=load_if_there(PROCESSED / "removed.csv", ("id", "rule", "copy_of", "text"), ()),
        submission=describe_file(submission),
        ledger=read_ledger(),
        environment=describe_environment(),
    )


def load_if_there(path: "Path", texts: Sequence[str], numbers: Sequence[str]) -> Any:
    """As `pipeline.tables.load_csv`; without rows where there is no file."""
    import pandas as pd

    from pipeline.tables import load_csv

    return load_csv(path, texts, numbers) if path.is_file() else pd.DataFrame(columns=[*texts, *numbers])


def describe_file(path: "Path") -> "Submission | None":
    from hashlib import sha256

    from pipeline.reporting.results import Submission
    from pipeline.tables import load_bytes

    if not path.is_file():
        return None
    content = load_bytes(path)
    return Submission(str(path), sha256(content).hexdigest(), len(content))


def read_ledger() -> "Ledger":
    """The ledger as it is now; DVC does not know it. One that is damaged is said to be so, and stops nothing."""
    from pipeline.history.agreement import describe_ledger
    from pipeline.history.submissions import load_ledger
    from pipeline.reporting.results import Ledger

    try:
        rows = load_ledger()
    except InputError as error:
        return Ledger(lines=error.mistakes)
    return Ledger(rows, describe_ledger(rows) if rows else [])


def describe_environment() -> dict[str, str]:
    """The machine, the packages and the commit that the report is written with."""
    import os
    import platform
    from contextlib import suppress
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from pipeline.history.git import describe_git

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    revision, dirty = describe_git()
    found = {
        "device": device,
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    if revision:
        found["commit"] = revision[:10] + (", changed since" if dirty == "true" else "")
    return found
