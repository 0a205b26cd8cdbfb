"""compare and folds: several runs beside each other."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.loading import ParamsFile, load_examples, load_params
from pipeline.errors import InputError
from pipeline.history.experiments import (
    WORKSPACE,
    has_run,
    load_experiment,
    load_revision,
    name_folds,
)
from pipeline.paths import EXPERIMENTS, EXTERNAL, PARAMS, TEST_PREDICTIONS

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.history.trials import Finding
    from pipeline.reporting.experiments import Mark


def compare(
    before: Annotated[str, typer.Argument(help="A DVC experiment, a git revision, or workspace.")],
    after: Annotated[str, typer.Argument(help="Another.")] = WORKSPACE,
    params_file: ParamsFile = PARAMS,
) -> None:
    """Say whether one experiment is better than another on the same validation documents, and where.

    Example: python -m pipeline compare main workspace
    """
    from pipeline.history.compare import compare_experiments, describe_comparison

    params = load_params(params_file)
    first, second = load_experiment(before), load_experiment(after)
    result = compare_experiments(first, second, params.score.resamples, params.score.confidence, params.seed)
    for line in describe_comparison(first, second, result, params.score.confidence):
        typer.echo(line)


def experiments(
    commits: Annotated[int, typer.Option(help="Of how many commits experiments are shown; -1 for all.")] = 5,
    params_file: ParamsFile = PARAMS,
) -> None:
    """Show every experiment with its interval, what it changed, and what of the difference to its commit is noise.

    Writes the same as a page, reports/experiments.html.

    Example: python -m pipeline experiments
    """
    from pipeline.cli.leaderboard import print_table
    from pipeline.cli.report import read_ledger
    from pipeline.history.experiments import list_trials
    from pipeline.history.ledger import render_table
    from pipeline.history.trials import compare_trials, describe_findings, render_trials
    from pipeline.reporting.experiments import render_experiments
    from pipeline.tables import save_bytes

    params, trials = load_params(params_file), list_trials(commits)
    findings = compare_trials(trials, params.score, params.seed)
    if not findings:
        raise InputError("experiments: no commit or experiment has scores; dvc repro and git commit, or dvc exp run")
    print_table(render_trials(findings))
    lines, ledger = list(describe_findings(findings, trials)), read_ledger()
    for line in lines:
        typer.echo(line)
    if ledger.rows:
        print_table(render_table(ledger.rows))
    page = render_experiments([_mark(finding) for finding in findings], lines, ledger, params.score.confidence)
    save_bytes(page.encode(), EXPERIMENTS)
    typer.echo(f"{EXPERIMENTS}: the same as a page, with every param that varied")


def _mark(finding: "Finding") -> "Mark":
    from pipeline.history.trials import describe_change, describe_difference
    from pipeline.reporting.experiments import Mark

    trial, experiment = finding.trial, finding.trial.experiment
    assert experiment is not None
    return Mark(
        name=trial.name,
        made=f"{trial.created:%Y-%m-%d %H:%M}" if trial.created else "",
        row=experiment.row,
        score=finding.score,
        low=finding.low,
        high=finding.high,
        params=experiment.params,
        changes=[describe_change(key, *values) for key, values in finding.changes.items()],
        verdict=describe_difference(finding.comparison) if finding.comparison else "",
        is_noise=finding.is_noise,
    )


def folds(params_file: ParamsFile = PARAMS) -> None:
    """Run every fold in a copy of the project, pool what they score, and make the consensus of their models.

    Folds that have run with these params, this code and these files are not run again. The consensus is written as
    data/external/folds.csv, which score.external ranks and predict.use: folds submits.

    Example: python -m pipeline folds
    """
    from pipeline.competition.external import TEST, VALID
    from pipeline.history.folds import build_fold_consensus, describe_folds, pool_scores
    from pipeline.tables import PREDICTIONS, parse_table, save_csv

    params = load_params(params_file)
    count, score = params.preprocess.folds, params.score
    if count is None:
        raise InputError(f"{params_file}: preprocess.folds: say how many folds there are to be, as 5")
    names = name_folds(params, count)
    for fold, name in enumerate(names):
        if not has_run(name):
            _run_experiment(name, f"preprocess.fold={fold}")
    experiments = [load_experiment(name) for name in names]
    pooled = pool_scores([experiment.scores for experiment in experiments])
    rows = [experiment.row for experiment in experiments]
    for line in describe_folds(pooled, rows, score.resamples, score.confidence, params.seed):
        typer.echo(line)
    tests = [parse_table(*load_revision(n, TEST_PREDICTIONS), f"{TEST_PREDICTIONS} of {n}", PREDICTIONS) for n in names]
    consensus = build_fold_consensus(tests, score.tokenizer, score.weights)
    out_of_fold = pooled.rename(columns={"text": "summary"})[["id", "summary"]]
    save_csv(_concatenate(out_of_fold.assign(split=VALID), consensus.assign(split=TEST)), EXTERNAL / "folds.csv")
    typer.echo(f"{EXTERNAL / 'folds.csv'}: out-of-fold summaries, and the consensus of {count} models for the test set")


def ensemble(
    names: Annotated[list[str], typer.Argument(help="DVC experiments, git revisions, or workspace; two or more.")],
    name: Annotated[str, typer.Option(help="The file's name in data/external.")] = "ensemble",
    params_file: ParamsFile = PARAMS,
) -> None:
    """Make the consensus of what several experiments wrote, of every document's candidates.

    The experiments split off the same validation documents, and may differ in anything else: seeds, bases, params. Of
    each, what it had to choose from for the test set counts: with predict.use: consensus/all, all of its grid. The
    consensus is written as data/external/NAME.csv, which score.external ranks and predict.use: NAME submits.

    Example: python -m pipeline ensemble exp-a exp-b exp-c
    """
    from pipeline.competition.external import TEST, VALID
    from pipeline.history.ensemble import build_ensemble, describe_ensemble
    from pipeline.history.experiments import load_member
    from pipeline.tables import save_csv

    params, valid = load_params(params_file), load_examples("valid")["valid"]
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError("ensemble: name two experiments or more, each once")
    members = [load_member(one) for one in names]
    summaries = build_ensemble(members, valid, params.score)
    for line in describe_ensemble(members, summaries, valid, params.score, params.seed):
        typer.echo(line)
    path = EXTERNAL / f"{name}.csv"
    parts = {VALID: summaries.valid, TEST: summaries.test}
    save_csv(_concatenate(*(part.assign(split=split) for split, part in parts.items())), path)
    typer.echo(f"{path}: to rank it, add it to score.external; to submit it, set predict.use: {name}")


def _concatenate(*frames: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _run_experiment(name: str, change: str) -> None:
    """Runs one experiment in a copy of the project, and nothing that waits in DVC's queue; passes on what it says."""
    import os
    import subprocess
    import sys

    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-n", name, "-S", change]
    told = b""
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        # as it comes, so that a progress bar moves
        while chunk := os.read(process.stderr.fileno(), 4096):
            typer.echo(chunk, err=True, nl=False)
            told = (told + chunk)[-4096:]
    if process.returncode:
        lines = [line for line in told.decode(errors="replace").splitlines() if line.strip()]
        last = next((line for line in reversed(lines) if line.startswith("ERROR: ")), (lines or ["says nothing"])[-1])
        raise InputError(f"folds: {name}: {last.removeprefix('ERROR: ')}")
