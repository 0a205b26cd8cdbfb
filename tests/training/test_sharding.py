"""Shares of a model learn what the whole model learns, and are whole again when it is saved."""

import json
import os
import subprocess
import sys

import pytest
import torch
from builders import ROOT, build_tiny_model
from safetensors.torch import load_file

from pipeline.errors import InputError
from pipeline.models.base import BaseModel, save_model
from pipeline.models.loading import load_model
from pipeline.training.sharding import gather_weights, refuse_single_process

# tunes a model without dropout, whose noise is of a process's own; may stop as if killed after so many validations
RUN = """
import json, os, sys
from pathlib import Path
import pandas as pd
import torch
from ruamel.yaml import YAML
sys.path[:0] = [{root!r}, {tests!r}]
os.environ["HF_HUB_OFFLINE"] = "1"
import builders
from builders import ROOT, TINY, dump_params, tune_tiny
from pipeline.models.adapter import save_adapter
from pipeline.models.processes import join_processes
from pipeline.models.tokenizer import build_bpe_tokenizer
from pipeline.params.reading import parse_params
from pipeline.training.trainer import SummaryTrainer
from torch.distributed.tensor import DTensor

folder, family, method, parallel, size, last, changes = sys.argv[1:]
texts = [f"{{i}}일 서울에서 축제가 열렸다. 시민 {{i}}00명이 참여했다. 날씨가 맑았다." for i in range(1, 10)]
rows = pd.DataFrame({{"id": [t[:3] for t in texts], "text": texts, "summaries": [[t[:20]] for t in texts]}})
values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
changes = {{**TINY, "train.per_device_train_batch_size": int(size), "train.num_train_epochs": 3, "train.method": method,
            "train.parallel": parallel, **json.loads(changes)}}
folder = Path(folder)
folder.mkdir(exist_ok=True)
params = parse_params(dump_params(values, changes, folder / f"{{os.environ.get('RANK', 0)}}.yaml"))
is_first = join_processes()
build, save = builders.build_tiny_model, SummaryTrainer._save_checkpoint

def build_without_dropout(*args, **settings):
    model = build(*args, **settings)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return model

def save_and_stop(self, *args, **settings):
    save(self, *args, **settings)
    (folder / f"{{os.environ.get('RANK', 0)}}.shards").write_text(
        str(sum(p.to_local().numel() for p in self.model.parameters() if isinstance(p.data, DTensor)))
    )
    if self.state.epoch >= float(last):
        os._exit(7)

builders.build_tiny_model, SummaryTrainer._save_checkpoint = build_without_dropout, save_and_stop
tokenizer = build_bpe_tokenizer(texts, 400, 128)
trainer, metrics, _ = tune_tiny(family, tokenizer, rows, params, folder / "run")
if is_first:
    save_adapter(method, trainer.model, tokenizer, folder / "adapter")
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    (folder / "metrics.json").write_text(json.dumps({{**metrics, "losses": losses}}))
"""


@pytest.fixture
def tune(tmp_path):
    """Tunes a tiny model on nine rows, four an update; metrics and what was saved, or None if it was stopped."""
    script = tmp_path / "run.py"
    script.write_text(RUN.format(root=str(ROOT), tests=str(ROOT / "tests")))

    def tune(name, family, method, parallel, last=99, **changes):
        processes = 1 if parallel == "ddp" else 2
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"] if processes == 2 else []
        given = [family, method, parallel, str(4 // processes), str(last), json.dumps(changes)]
        done = subprocess.run(
            [sys.executable, *launcher, str(script), str(tmp_path / name), *given],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if done.returncode and last < 99:
            return None
        assert done.returncode == 0, done.stderr
        assert "UserWarning" not in done.stderr
        weights = next((tmp_path / name / "adapter").glob("*.safetensors"))
        return json.loads((tmp_path / name / "metrics.json").read_text()), load_file(weights), weights

    return tune


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "method", "changes"),
    [
        ("gptj", "lora", {}),
        # embeddings and head are one weight
        ("gpt2", "full", {}),
        ("llama", "lora", {"train.gradient_checkpointing": True, "train.load_best_model_at_end": True}),
        # the embeddings of encoder, decoder and head are one weight
        ("bart", "full", {}),
        ("bart", "lora", {}),
    ],
)
def test_shares_learn_what_the_whole_model_learns(family, method, changes, tune, tmp_path):
    """Slow: three processes that load torch, half a minute."""
    metrics, weights, _ = tune("whole", family, method, "ddp", **changes)
    sharded, gathered, _ = tune("shared", family, method, "fsdp", **changes)
    # sums over processes are rounded in another order
    assert sharded["losses"] == pytest.approx(metrics["losses"], abs=1e-4)
    assert len(sharded["losses"]) == 3
    assert [sharded[key] for key in ("parameters", "trainable_parameters")] == [
        metrics[key] for key in ("parameters", "trainable_parameters")
    ]
    assert gathered.keys() == weights.keys()
    assert all(gathered[name].shape == weights[name].shape for name in weights)
    # of Adam's first steps it is the sign that counts, and that of nothing is chance
    differences = torch.cat([(gathered[name] - weights[name]).abs().flatten() for name in weights])
    assert differences.quantile(0.99) < 1e-3
    shares = [int((tmp_path / "shared" / f"{rank}.shards").read_text()) for rank in range(2)]
    assert max(shares) < 0.6 * metrics["parameters"]
    assert sum(shares) >= metrics["parameters"]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "method"), [("llama", "lora"), ("gpt2", "full")])
def test_killed_shares_go_on_bit_for_bit(family, method, tune):
    """Slow: six processes that load torch, a minute."""
    metrics, _, file = tune("whole", family, method, "fsdp")
    assert tune("killed", family, method, "fsdp", last=1) is None
    resumed, _, file_again = tune("killed", family, method, "fsdp")
    assert resumed["losses"] == metrics["losses"]
    assert file.read_bytes() == file_again.read_bytes()


@pytest.mark.slow
def test_what_shares_learnt_is_loaded_by_one_process(tune, tokenizer, make_params, tmp_path):
    """Slow: two processes that load torch."""
    _, _, file = tune("shared", "gptj", "lora", "fsdp")
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, tmp_path / "base")
    model, _ = load_model(BaseModel(str(tmp_path / "base"), None, ""), make_params().model, file.parent)
    plain, _ = load_model(BaseModel(str(tmp_path / "base"), None, ""), make_params().model)
    ids = torch.tensor([[5, 6, 7]])
    assert not torch.allclose(model(ids).logits, plain(ids).logits)


def test_whole_model_is_left_as_it_is(tmp_path):
    model = build_tiny_model("gpt2", 400)
    before = dict(model.named_parameters())
    gather_weights(model)
    assert all(parameter is before[name] for name, parameter in model.named_parameters())


def test_one_process_has_nobody_to_share_with():
    with pytest.raises(InputError, match=r"train\.parallel: fsdp shares the weights out among processes"):
        refuse_single_process()
