"""The same bytes: twice, with one thread or two, other batches, one process or two."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from builders import ROOT, dump_params
from faults.projects import STAGES, SUBMISSION, digest_outputs
from ruamel.yaml import YAML

pytestmark = pytest.mark.faults
# of scores of two runs whose sums were made in another order: ROUGE of a few texts
TOLERANCE = 0.05


@pytest.fixture
def run(plain, tmp_path):
    """Runs stages in a copy of the folder, nothing remembered, params changed; the copy."""
    source, _ = plain

    def run(name, stages, threads=1, **changes):
        folder = tmp_path / name
        shutil.copytree(source, folder)
        values = YAML(typ="safe", pure=True).load((folder / "params.yaml").read_text())
        dump_params(values, changes, folder / "params.yaml")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
        environment.pop("YOYAK_SCRATCH", None)
        for stage in stages:
            command = [sys.executable, "-m", "pipeline", stage]
            done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
            assert done.returncode == 0, done.stderr
        return folder

    return run


def test_twice_is_the_same_to_the_last_byte(run):
    first, second = run("first", STAGES), run("second", STAGES)
    assert digest_outputs(first) == digest_outputs(second)
    assert (first / SUBMISSION).read_bytes() == (second / SUBMISSION).read_bytes()


def test_two_threads_choose_the_same_row(run):
    one, two = (run(f"{threads} threads", STAGES, threads, **{"predict.use": "best"}) for threads in (1, 2))
    boards = [pd.read_csv(folder / "metrics/leaderboard.csv").set_index("name") for folder in (one, two)]
    assert set(boards[0].index) == set(boards[1].index)
    assert (boards[0]["score"] - boards[1]["score"]).abs().max() < TOLERANCE
    chosen = [pd.read_json(folder / "predictions/selection.json", typ="series")["name"] for folder in (one, two)]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"decode.batch_size": 1, "predict.batch_size": 1},
        {"decode.batch_size": 7, "predict.batch_size": 5},
        {"decode.processes": 2, "predict.processes": 2},
    ],
    ids=["one at a time", "odd batches", "two processes"],
)
def test_batches_and_processes_change_no_text(run, plain, changes):
    _, wanted = plain
    folder = run("changed", ["decode", "predict", "export"], **changes)
    found = digest_outputs(folder, ["decode", "predict", "export"])
    names = [f"predictions/{name}.parquet" for name in ("valid", "test", "test_candidates")]
    for name in (*names, str(SUBMISSION)):
        assert found[name] == wanted[name], name


def test_report_says_with_what_it_was_made(plain):
    folder, _ = plain
    page = (folder / "reports/report.html").read_text()
    for word in ("threads", "cores", "device", "torch", "transformers", "Python"):
        assert word in page
