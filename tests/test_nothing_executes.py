"""Nothing that is read runs code: a pickle is planted wherever a file is loaded."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import torch
from builders import TINY, build_tiny_model, tune_tiny

from pipeline.decoding.beam import Candidate
from pipeline.decoding.cache import CandidateCache
from pipeline.errors import InputError
from pipeline.models.adapter import save_adapter
from pipeline.models.base import load_base
from pipeline.models.loading import load_model
from pipeline.tables import CANDIDATES, load_json, load_table
from pipeline.training.checkpoints import find_last_checkpoint


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture(scope="module")
def killed(tokenizer, tmp_path_factory):
    """The folder of a run that was killed after its second checkpoint, and how to go on."""
    import pandas as pd
    from builders import ROOT, dump_params
    from ruamel.yaml import YAML
    from transformers import TrainerCallback

    from pipeline.params.reading import parse_params

    folder = tmp_path_factory.mktemp("killed")
    shipped = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    params = parse_params(
        dump_params(shipped, {**TINY, "train.num_train_epochs": 3, "lora.lora_dropout": 0.1}, folder / "p.yaml")
    )
    rows = pd.DataFrame(
        {
            "id": [f"a{i}" for i in range(4)],
            "text": [f"{i}일 축제가 열렸다." for i in range(4)],
            "summaries": [["축제"]] * 4,
        }
    )

    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 4:
                raise KeyboardInterrupt

    def tune(run):
        return tune_tiny("gpt2", tokenizer, rows, params, run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            tune(folder / "run")
    return folder / "run", tune


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("optimizer.pt", "pickle"),
        ("scheduler.pt", "pickle"),
        ("rng_state.pth", "pickle"),
        # all of them are zips, and one torn runs every day
        ("optimizer.pt", "torn"),
        pytest.param("scheduler.pt", "torn", marks=pytest.mark.slow),
        pytest.param("rng_state.pth", "torn", marks=pytest.mark.slow),
    ],
)
def test_checkpoint_is_refused_by_name(killed, name, damage, tmp_path):
    folder, tune = killed
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    last = find_last_checkpoint(run)
    path = last / name
    assert path.is_file()
    if damage == "pickle":
        torch.save({"state": Evil(tmp_path / "ran")}, path)
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError) as refusal:
        tune(run)
    (line,) = refusal.value.mistakes
    assert line.startswith(f"{last}: cannot be read: ")
    assert ("could run code" in line) == (damage == "pickle")
    assert not (tmp_path / "ran").exists()
    # what the line advises helps
    shutil.rmtree(last)
    assert tune(run)[0].state.global_step == 6


def test_what_nothing_reads_does_not_matter(killed, tmp_path):
    folder, tune = killed
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    torch.save(Evil(tmp_path / "ran"), find_last_checkpoint(run) / "training_args.bin")
    assert tune(run)[0].state.global_step == 6
    assert not (tmp_path / "ran").exists()


def test_adapter_in_a_pickle_is_refused(model_folder, tokenizer, make_params, tmp_path):
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(build_tiny_model("gptj", len(tokenizer)), LoraConfig(target_modules=["q_proj"]))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    save_adapter("lora", adapted, tokenizer, adapter, [])
    (adapter / "adapter_model.safetensors").unlink()
    torch.save({"base_model.model.x": Evil(tmp_path / "ran")}, adapter / "adapter_model.bin")
    with pytest.raises(InputError):
        load_model(load_base(model_folder), make_params().model, adapter, device="cpu")
    assert not (tmp_path / "ran").exists()


def test_remembered_candidates_are_text(tmp_path, monkeypatch):
    import hashlib
    import pickle

    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path))
    with CandidateCache("model", 0) as cache:
        cache.save("key", [Candidate([1, 2], 0.5)])
    (path,) = (tmp_path / "candidates").glob("*.sqlite")
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    with sqlite3.connect(path) as connection:
        for content in (evil, evil.hex(), json.dumps({"py/reduce": "os.system"})):
            digest = hashlib.sha256(f"key\n{content}".encode()).hexdigest()
            connection.execute("INSERT OR REPLACE INTO candidates VALUES ('key', ?, ?)", (content, digest))
            connection.commit()
            with CandidateCache("model", 0) as cache:
                assert cache.load("key") is None
    assert not (tmp_path / "ran").exists()


def test_tables_and_json_are_no_pickles(tmp_path):
    import pickle

    (tmp_path / "t").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(InputError, match="is not a parquet file"):
        load_table(tmp_path / "t", CANDIDATES)
    with pytest.raises(InputError, match="is not JSON"):
        load_json(tmp_path / "t")
    assert not (tmp_path / "ran").exists()
