"""folds over real git and DVC: nothing stale is pooled, nothing else is run, and what is written can be read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from builders import ROOT, dump_params
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.loading import load_external
from pipeline.history.experiments import load_revision
from pipeline.paths import SELECTION, VALID_SCORES

# a graph of one stage: fold k validates on document k of train.csv, whose ids are the test documents' too
GRAPH = {
    "dvc.yaml": """
stages:
  score:
    cmd: python stage.py
    deps: [train.csv]
    params: [seed, preprocess]
    outs: [predictions/scores.parquet, predictions/selection.json, predictions/test.parquet]
""",
    "stage.py": """
import sys
from pathlib import Path
import pandas as pd
from pipeline.params.reading import parse_params
from pipeline.tables import PREDICTIONS, SCORES, save_json, save_table

params = parse_params(Path("params.yaml").read_text())
fold, table = params.preprocess.fold, pd.read_csv("train.csv", dtype=str)
if table["summary"][fold] == "bad":
    sys.exit("train.csv: a bad summary")
frame = pd.DataFrame({"id": table["id"][[fold]], "name": "greedy", "kind": "configuration", "text": table["summary"][[fold]]})
save_table(frame.assign(score=0.5, rouge1=0.5, rouge2=0.5, rougeL=0.5), Path("predictions/scores.parquet"), SCORES)
save_table(pd.DataFrame({"id": ["0", "1"], "summary": [f"test {fold}"] * 2}), Path("predictions/test.parquet"), PREDICTIONS)
save_json({"name": "greedy"}, Path("predictions/selection.json"))
""",
    "pipeline/code.py": "CODE = 1\n",
    "train.csv": "id,summary\n0,하나\n1,둘\n",
    "test.csv": "id\n0\n1\n",
    "sample_submission.csv": "id,summary\n0,\n1,\n",
}


def run(command):
    done = subprocess.run(command.split(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


@pytest.fixture
def folds(shipped, tmp_path, monkeypatch):
    """A repository that has run nothing yet; runs folds there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@t")
    for name, content in GRAPH.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    changes = {"data.folder": "."} | {f"data.{name}": f"{name}.csv" for name in ("train", "test", "sample_submission")}
    dump_params(shipped, {**changes, "preprocess.folds": 2, "score.tokenizer": "whitespace"}, tmp_path / "params.yaml")
    (tmp_path / "data/external").mkdir(parents=True)
    for command in ("git init -q", "dvc init -q", "git add -A", "git commit -q -m start"):
        run(command)
    return lambda: CliRunner().invoke(app, ["folds"], catch_exceptions=False)


def list_experiments():
    return set(run("dvc exp list --name-only").split())


@pytest.mark.slow
def test_folds_run_once_run_nothing_else_and_again_when_data_change(folds, tmp_path):
    """Slow: twenty seconds of git and DVC."""
    run("dvc exp run -q --queue -n other -S seed=9")
    result = folds()
    assert result.exit_code == 0, result.output
    assert "2 documents" in result.output
    assert "so the test set gets the first fold's; --by probabilities" in result.output
    first = list_experiments()
    assert {name.split("-")[0] for name in first} == {"fold0", "fold1"}
    assert "Queued" in run("dvc queue status")
    assert folds().exit_code == 0
    assert list_experiments() == first
    (tmp_path / "train.csv").write_text("id,summary\n0,하나\n1,셋\n")
    result = folds()
    assert result.exit_code == 0, result.output
    second = list_experiments()
    assert len(second) == 4
    table = pd.read_csv(tmp_path / "data/external/folds.csv", dtype=str)
    assert table.to_numpy().tolist() == [
        *(["0", "하나", "valid"], ["1", "셋", "valid"], ["0", "test 0", "test"], ["1", "test 0", "test"])
    ]
    external = load_external(Path("data/external/folds.csv"))
    assert external.pick_summaries(["1"], "validation") == ["셋"]
    assert external.pick_summaries(["1"], "test") == ["test 0"]


@pytest.mark.slow  # seven seconds of dvc exp run
def test_fold_that_fails_is_one_line_and_those_before_it_are_kept(folds, tmp_path, monkeypatch):
    (tmp_path / "train.csv").write_text("id,summary\n0,하나\n1,bad\n")
    result = folds()
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    told = result.stderr.splitlines()
    assert told[-1].startswith("folds: fold1-")
    assert told[-1].endswith("failed to reproduce 'score': failed to run: python stage.py, exited with 1")
    assert "train.csv: a bad summary" in told
    (kept,) = list_experiments()
    assert kept.startswith("fold0-")
    # what DVC's cache holds is read there: dvc.api looks at the whole project first, for each file of each experiment
    monkeypatch.delattr("dvc.api.read")
    scores, selection = load_revision(kept, VALID_SCORES, SELECTION)
    assert (scores[:4], json.loads(selection)) == (b"PAR1", {"name": "greedy"})
