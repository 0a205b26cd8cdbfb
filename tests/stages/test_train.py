"""train: a base in, an adapter that decodes out; alone and in several processes."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from builders import ROOT, TINY, build_recipe, build_tiny_model, dump_params
from ruamel.yaml import YAML

from pipeline.models.adapter import load_method, save_adapter
from pipeline.models.base import load_base, save_model
from pipeline.models.loading import load_model, load_prompt_builder
from pipeline.stages import train as module
from pipeline.stages.train import select_metrics, train

SHORT = {"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 24}


def test_stage_tunes_a_base_from_disk_and_leaves_an_adapter_that_loads(tokenizer, five_rows, make_params, tmp_path):
    params = make_params(**{**TINY, "train.num_train_epochs": 2, **SHORT})
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, tmp_path / "base")
    base = load_base(tmp_path / "base")
    builder = load_prompt_builder(base, params.model, params.prompt, "head")
    examples = {"train": five_rows, "valid": five_rows}
    tuned = train(base, builder, examples, build_recipe(params), tmp_path / "run", {})
    assert list(select_metrics(tuned.details)) == ["valid_loss", "examples_per_second"]
    assert tuned.details["steps"] == 6
    (tmp_path / "adapter").mkdir()
    save_adapter(params.train.method, tuned.model, tuned.tokenizer, tmp_path / "adapter")
    assert load_method(tmp_path / "adapter") == {"method": "peft", "virtual_tokens": 0}
    model, _ = load_model(base, params.model, tmp_path / "adapter", "cpu")
    ids = torch.tensor([tokenizer("서울에서 축제가 열렸다.")["input_ids"]])
    with torch.no_grad():
        logits = [m.eval()(ids).logits for m in (model, tuned.model)]
    assert torch.allclose(*logits, atol=1e-4)


def test_prompts_leave_room_for_what_is_trained_in_front(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    params = make_params(**{"train.method": "prompt_tuning", **SHORT})
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, tmp_path / "base")
    base = load_base(tmp_path / "base")
    builder = load_prompt_builder(base, params.model, params.prompt, "head")
    taken = []
    monkeypatch.setattr(module, "tune", lambda model, reserved, *rest: taken.append(reserved) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(base, builder, {}, build_recipe(params), tmp_path / "run", {})
    assert taken[0].context_length == builder.context_length - params.prompt_tuning.num_virtual_tokens


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["train.processes", "accelerate launch", "fsdp"])
def test_processes_are_the_same_run_from_the_command_line(launcher, tmp_path):
    """Slow: three runs of the real base's stages, each with its own imports."""
    values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    sizes = {"pretrain.n_embd": 32, "pretrain.n_layer": 1, "pretrain.num_train_epochs": 1, "train.num_train_epochs": 1}
    # the effective batch is eight in all of them
    changes = {**sizes, "model.precision": "fp32", "train.warmup_steps": 0, "data.folder": "."}
    lines = (ROOT / "data/sample/train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(lines[:130]), encoding="utf-8")
    for name in ("test", "sample_submission"):
        shutil.copy(ROOT / f"data/sample/{name}.csv", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    grid = {"greedy": {}, "beam": {"num_beams": 2}, "nucleus": {"do_sample": True, "num_return_sequences": 3}}
    changes |= {"decode.grid": grid, "decode.max_new_tokens": 8, "decode.few_shot": 0, "predict.use": "consensus/all"}

    def call(command, size, processes):
        sized = {**changes, "train.per_device_train_batch_size": size, "train.processes": processes}
        sized |= {"decode.processes": processes, "predict.processes": processes}
        sized["train.parallel"] = "fsdp" if launcher == "fsdp" and processes > 1 else "ddp"
        dump_params(values, sized, tmp_path / "params.yaml")
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "details/train.json").read_text()) if command[-1] == "train" else None

    for stage in ("preprocess", "pretrain"):
        call(["-m", "pipeline", stage], 8, 1)
    alone = call(["-m", "pipeline", "train"], 8, 1)
    # its name for "several processes"; where there is no GPU they speak gloo
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--mixed_precision=no"]
    launch, processes = (launch, 1) if launcher == "accelerate launch" else ([], 2)
    together = call([*launch, "-m", "pipeline", "train"], 4, processes)
    assert together["valid_loss"] == pytest.approx(alone["valid_loss"], abs=2e-4)
    assert (together["steps"], together["per_device_train_batch_size"]) == (alone["steps"], 4)
    assert (tmp_path / "models/adapter/adapter_config.json").is_file()
    written = []
    for command, number in ([], 1), (launch, processes):
        # what the one remembers would spare the others their work
        shutil.rmtree(tmp_path / ".yoyak/candidates", ignore_errors=True)
        for stage in ("refine", "decode", "rank", "score", "predict"):
            call([*(command if stage in ("decode", "predict") else []), "-m", "pipeline", stage], 4, number)
        written.append([pd.read_parquet(tmp_path / f"predictions/{name}.parquet") for name in ("valid", "test")])
    for ours, theirs in zip(*written, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
