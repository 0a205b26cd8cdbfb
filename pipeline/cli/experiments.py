"""compare and folds: several runs beside each other."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.loading import ParamsFile, load_params
from pipeline.errors import InputError
from pipeline.history.experiments import WORKSPACE, load_experiment, load_revision
from pipeline.history.git import describe_git
from pipeline.paths import EXTERNAL, PARAMS, SELECTION, TEST_PREDICTIONS

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.reading import Params


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


def folds(params_file: ParamsFile = PARAMS) -> None:
    """Run every fold through DVC's queue, pool what they score out of fold, and make the consensus of their models.

    Folds that have run with these params and this commit are not run again. The consensus is written as
    data/external/folds.csv, which score.external ranks and predict.use: folds submits.

    Example: python -m pipeline folds
    """
    from pipeline.history.folds import build_fold_consensus, describe_folds, pool_scores
    from pipeline.tables import PREDICTIONS, parse_table, save_csv

    params = load_params(params_file)
    count, score = params.preprocess.folds, params.score
    if count is None:
        raise InputError(f"{params_file}: preprocess.folds: say how many folds there are to be, as 5")
    names = _name_folds(params, count)
    _run_missing_experiments({name: f"preprocess.fold={fold}" for fold, name in enumerate(names)})
    experiments = [load_experiment(name) for name in names]
    pooled = pool_scores([experiment.scores for experiment in experiments])
    rows = [experiment.row for experiment in experiments]
    for line in describe_folds(pooled, rows, score.resamples, score.confidence, params.seed):
        typer.echo(line)
    tests = [parse_table(load_revision(n, TEST_PREDICTIONS), f"{TEST_PREDICTIONS} of {n}", PREDICTIONS) for n in names]
    consensus = build_fold_consensus(tests, score.tokenizer, score.weights)
    out_of_fold = pooled.rename(columns={"text": "summary"})[["id", "summary"]]
    save_csv(_concatenate(out_of_fold, consensus), EXTERNAL / "folds.csv")
    typer.echo(f"{EXTERNAL / 'folds.csv'}: out-of-fold summaries, and the consensus of {count} models for the test set")


def _concatenate(*frames: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _name_folds(params: "Params", count: int) -> list[str]:
    """Names of the folds' experiments; another setting or commit has other names, so that nothing stale is pooled."""
    from hashlib import sha256

    preprocess = params.preprocess.model_copy(update={"fold": 0})
    shape = params.model_copy(update={"preprocess": preprocess}).model_dump_json() + describe_git()[0]
    digest = sha256(shape.encode()).hexdigest()[:8]
    return [f"fold{fold}-{digest}" for fold in range(count)]


def _run_missing_experiments(changes: dict[str, str]) -> None:
    """Queues the experiments that do not exist and runs the queue; progress goes to the terminal."""
    import subprocess

    def exists(name: str) -> bool:
        with suppress(InputError):
            return bool(load_revision(name, SELECTION))
        return False

    missing = [name for name in changes if not exists(name)]
    if not missing:
        return
    for name in missing:
        subprocess.run(["dvc", "exp", "run", "--quiet", "--queue", "-n", name, "-S", changes[name]], check=True)
    subprocess.run(["dvc", "exp", "run", "--run-all", "--jobs", "1"], check=True)
    if failed := [name for name in missing if not exists(name)]:
        raise InputError(f"folds: {', '.join(failed)} failed; dvc queue logs NAME says why")
