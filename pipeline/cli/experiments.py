"""compare and experiments: several runs beside each other."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.loading import ParamsFile, load_params
from pipeline.errors import InputError
from pipeline.history.experiments import WORKSPACE, load_experiment
from pipeline.paths import EXPERIMENTS, PARAMS

if TYPE_CHECKING:
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
