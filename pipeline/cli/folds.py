"""folds: every fold's model, and one submission of them all."""

from typing import Annotated

import typer

from pipeline.cli.ensemble import decode_together, save_external
from pipeline.cli.loading import ParamsFile, load_params
from pipeline.errors import InputError
from pipeline.history.ensemble import MODELS, Way
from pipeline.history.experiments import has_run, load_experiment, load_revision, name_folds
from pipeline.paths import PARAMS, PROCESSED, TEST_PREDICTIONS


def folds(
    by: Annotated[Way, typer.Option(help="How the folds' models become one: as of ensemble, but no ranking.")] = (
        Way.consensus
    ),
    params_file: ParamsFile = PARAMS,
) -> None:
    """Run every fold in a copy of the project, pool what they score, and make one submission of their models.

    Folds that have run with these params, this code and these files are not run again. What comes of them is written as
    data/external/folds.csv, which score.external ranks and predict.use: folds submits: for validation, what each model
    wrote for the documents that it had not seen.

    Example: python -m pipeline folds
    """
    from pipeline.history.folds import build_fold_consensus, describe_folds, pool_scores
    from pipeline.tables import PREDICTIONS, UNLABELLED, load_table, parse_table

    params = load_params(params_file)
    count, score = params.preprocess.folds, params.score
    if count is None:
        raise InputError(f"{params_file}: preprocess.folds: say how many folds there are to be, as 5")
    if by in (Way.ridge, Way.lambdamart):
        raise InputError(f"folds: --by {by.value}: no document was summarized by all folds' models, to learn from")
    names = name_folds(params, count)
    for fold, name in enumerate(names):
        if not has_run(name):
            _run_experiment(name, f"preprocess.fold={fold}")
    experiments = [load_experiment(name) for name in names]
    pooled = pool_scores([experiment.scores for experiment in experiments])
    rows = [experiment.row for experiment in experiments]
    for line in describe_folds(pooled, rows, score.resamples, score.confidence, params.seed):
        typer.echo(line)
    if by in MODELS:
        test = load_table(PROCESSED / "test.parquet", UNLABELLED)
        joined = decode_together(names, by, {"test": test})["test"]
    else:
        sources = [(load_revision(name, TEST_PREDICTIONS)[0], f"{TEST_PREDICTIONS} of {name}") for name in names]
        tests = [parse_table(*source, PREDICTIONS) for source in sources]
        joined = build_fold_consensus(tests, score.tokenizer, score.weights)
    if by is Way.consensus and count == 2:
        typer.echo(
            "folds: of two summaries each is as near to the other, so the test set gets the first fold's; --by "
            "probabilities or weights joins two models"
        )
    out_of_fold = pooled.rename(columns={"text": "summary"})[["id", "summary"]]
    told = f"out-of-fold summaries, and for the test set the {by.value} of {count} models"
    save_external("folds", out_of_fold, joined, told)


def _run_experiment(name: str, change: str) -> None:
    """Runs one experiment in a copy of the project, and nothing that waits in DVC's queue; passes on what it says."""
    import os
    import subprocess
    import sys

    from pipeline.models.folders import get_scratch_root

    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "-n", name, "-S", change]
    told = b""
    # the copy is removed with all that lies in it, so what a killed fold goes on from has to lie here
    environment = {**os.environ, "YOYAK_SCRATCH": str(get_scratch_root())}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        # as it comes, so that a progress bar moves
        while chunk := os.read(process.stderr.fileno(), 4096):
            typer.echo(chunk, err=True, nl=False)
            told = (told + chunk)[-4096:]
    if process.returncode:
        lines = [line for line in told.decode(errors="replace").splitlines() if line.strip()]
        last = next((line for line in reversed(lines) if line.startswith("ERROR: ")), (lines or ["says nothing"])[-1])
        raise InputError(f"folds: {name}: {last.removeprefix('ERROR: ')}")
