"""The commands explore and refine: off, they leave all as it is; on, five rows go from training to a taught adapter."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from builders import ROOT, TINY, build_tiny_model, dump_params
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.loading import ModelFiles, load_params
from pipeline.cli.sections import STAGE_SECTIONS
from pipeline.errors import InputError
from pipeline.models.base import save_model
from pipeline.models.truncation import Truncation, save_truncation
from pipeline.paths import ADAPTER, BASE, EXPLORED_PREDICTIONS, PARAMS, PROCESSED, REFINED, TRUNCATION
from pipeline.stages import train as train_stage
from pipeline.tables import EXPLORED, LABELLED, load_json, load_table, save_table

SHORT = {"prompt.max_summary_tokens": 8, "decode.max_new_tokens": 8, "train.num_train_epochs": 1}
GRID = {"beam": {"num_beams": 2, "num_return_sequences": 2}, "samples": {"do_sample": True, "num_return_sequences": 2}}
BRIO = {"refine.method": "brio", "explore.grid": GRID, "explore.out_of_fold": "always", "refine.learning_rate": 0.05}


@pytest.fixture
def run(shipped, tokenizer, five_rows, tmp_path, monkeypatch):
    """Runs a command on five rows and a tiny base in the current folder, which `train` has been run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path / "scratch"))
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, BASE)
    # documents of their own, or they would be near-copies and share a fold
    other = five_rows.assign(
        text=[f"{word} " * 9 + text[:9] for word, text in zip("가나다라마", five_rows["text"], strict=True)]
    )
    for name in ("train", "valid"):
        save_table(other, PROCESSED / f"{name}.parquet", LABELLED)
    save_truncation(Truncation("head"), TRUNCATION)

    def run(command, **changes):
        dump_params(shipped, {**TINY, **SHORT, "refine.per_device_train_batch_size": 2, **changes}, PARAMS)
        return CliRunner().invoke(app, [command], catch_exceptions=False)

    assert run("train").exit_code == 0
    return run


def load_source():
    return ModelFiles(load_params(PARAMS).select(*STAGE_SECTIONS["decode"]), 4, "auto")


def test_off_they_write_an_empty_table_and_point_to_the_adapter(run):
    for command in ("explore", "refine"):
        result = run(command)
        assert (result.exit_code, result.output) == (0, "")
    assert load_table(EXPLORED_PREDICTIONS, EXPLORED).empty
    assert [path.name for path in REFINED[0].iterdir()] == ["adapter.json"]
    assert [load_json(path) for path in REFINED[1:3]] == [{}, {}]
    before = EXPLORED_PREDICTIONS.read_bytes(), (REFINED[0] / "adapter.json").read_bytes()
    # what explore is told does not matter then
    run("explore", **{"explore.probe": 7, "explore.grid": GRID})
    run("refine", **{"refine.gamma": 7.0})
    assert (EXPLORED_PREDICTIONS.read_bytes(), (REFINED[0] / "adapter.json").read_bytes()) == before
    assert load_source().find_adapter() == ADAPTER


@pytest.mark.parametrize("stage", ["explore", "rank"])
def test_stage_that_is_off_needs_no_torch(run, stage):
    run(stage)
    code = f"import sys; from pipeline.cli.app import app; app(['{stage}'], standalone_mode=False); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
    assert done.stdout == "False\n"


def test_adapter_that_changed_behind_refine_is_refused(run):
    with pytest.raises(InputError, match=r"models/refined: holds no adapter; run the refine stage first"):
        load_source().find_adapter()
    run("refine")
    (ADAPTER / "more").write_text("")
    with pytest.raises(
        InputError, match=r"models/adapter: changed since the refine stage looked at it; run that stage"
    ):
        load_source().load_tuned()


def test_five_rows_from_training_to_a_taught_adapter(run, monkeypatch):
    tune, halves = train_stage.train, []

    def kill(*args):
        if halves:
            raise KeyboardInterrupt
        halves.append(args[2])
        return tune(*args)

    with monkeypatch.context() as patch:
        patch.setattr(train_stage, "train", kill)
        assert run("explore", **BRIO).exit_code != 0
    # the first is there already
    monkeypatch.setattr(train_stage, "train", lambda *args: halves.append(args[2]) or tune(*args))
    result = run("explore", **BRIO)
    assert result.exit_code == 0, result.output
    explored = load_table(EXPLORED_PREDICTIONS, EXPLORED)
    train = load_table(PROCESSED / "train.parquet", LABELLED)
    assert explored["id"].drop_duplicates().tolist() == list(train["id"])
    assert (explored.groupby("id").size() > 1).all()
    assert (explored["log_probability"] < 0).all()
    learnt = [set(half["train"]["id"]) for half in halves]
    assert len(learnt) == 2
    assert not learnt[0] & learnt[1]
    # kept, so that another method does not train them again, and what they wrote is remembered
    before = EXPLORED_PREDICTIONS.read_bytes()
    assert run("explore", **{**BRIO, "refine.method": "mrt"}).exit_code == 0
    assert len(halves) == 2
    assert EXPLORED_PREDICTIONS.read_bytes() == before
    monkeypatch.setattr("pipeline.training.refine_trainer.find_drift", lambda *args: None)
    monkeypatch.setattr("pipeline.training.refinement.build_writing", build_rising)
    result = run("refine", **BRIO)
    assert result.exit_code == 0, result.output
    assert "refine: ROUGE 10.0 -> 40.0 on validation after 3 of 3 updates" in result.output
    assert load_json(REFINED[2]) == {"valid_rouge_before": 0.1, "valid_rouge": 0.4}
    assert pd.read_csv(REFINED[3]).columns.tolist() == ["step", "loss", "valid_rouge"]
    source = load_source()
    assert source.find_adapter() == REFINED[0]
    decoder, _ = source.load_tuned()
    run("refine")
    other, _ = load_source().load_tuned()
    assert decoder.fingerprint != other.fingerprint
    assert any(
        not own.equal(theirs) for own, theirs in zip(decoder.model.parameters(), other.model.parameters(), strict=True)
    )


def build_rising(*args):
    scores = iter((0.1, 0.2, 0.3, 0.4))
    return lambda model: {"rouge": next(scores), "length": 8.0, "finished": 0.0}


def test_where_nothing_is_better_the_adapter_stays(run, monkeypatch):
    run("explore", **{**BRIO, "explore.out_of_fold": "never"})
    monkeypatch.setattr(
        "pipeline.training.refinement.build_writing",
        lambda *args: lambda model: {"rouge": 0.1, "length": 8.0, "finished": 0.0},
    )
    result = run("refine", **BRIO)
    assert result.exit_code == 0, result.output
    assert "no state scored above ROUGE 10.0 on validation, so models/adapter is used as it is" in result.output
    assert json.loads((REFINED[0] / "adapter.json").read_text())["adapter"] == "models/adapter"
    assert load_source().find_adapter() == ADAPTER
