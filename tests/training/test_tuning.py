"""Real but tiny training: the loss falls, a killed run goes on bit for bit, memory that runs out is survived."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from builders import ROOT, TINY, build_recipe, build_tiny_model, tune_tiny

from pipeline.errors import InputError
from pipeline.training import trainer
from pipeline.training.arguments import build_arguments, build_callbacks
from pipeline.training.checkpoints import find_last_checkpoint
from pipeline.training.objectives import Objective
from pipeline.training.trainer import SummaryTrainer
from pipeline.training.tuning import tune

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]


def get_trained(trainer):
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters() if value.requires_grad}


# one of each kind runs every day: fused, with positions of its own, and with an encoder
@pytest.mark.parametrize(
    "family", [pytest.param(one, marks=pytest.mark.slow) if one in ("gpt2", "bart") else one for one in FAMILIES]
)
def test_lora_trains_the_adapter_alone_and_the_loss_falls(family, tokenizer, five_rows, make_params, tmp_path):
    params = make_params(**{**TINY, "lora.target_modules": "auto", "train.num_train_epochs": 4})
    before = {name: value.clone() for name, value in build_tiny_model(family, len(tokenizer)).named_parameters()}
    tuned, metrics, history = tune_tiny(family, tokenizer, five_rows, params, tmp_path)
    losses = [entry["eval_loss"] for entry in tuned.state.log_history if "eval_loss" in entry]
    assert losses[-1] < losses[0]
    assert (metrics["steps"], metrics["valid_loss"]) == (12, round(losses[-1], 4))
    assert history.columns.tolist() == ["step", "loss", "learning_rate"]
    frozen = {n: v for n, v in tuned.model.get_base_model().named_parameters() if not v.requires_grad}
    assert len(frozen) >= len(before) - 1  # tied embeddings count once
    assert all(value.equal(before[name.replace(".base_layer", "")]) for name, value in frozen.items())


def log_often(arguments):
    arguments.logging_steps = 5
    return arguments


# what is slow differs little from what runs every day
@pytest.mark.parametrize("when", [pytest.param("epoch", marks=pytest.mark.slow), "steps"])
def test_killed_and_resumed_equals_never_killed(when, tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    from transformers import TrainerCallback

    changes = {
        "train.num_train_epochs": 4,
        "lora.lora_dropout": 0.1,
        "train.eval_steps": None if when == "epoch" else 2,
    }
    params = make_params(**{**TINY, **changes, "train.lr_scheduler_type": "cosine_warm_restarts", "train.T_0": 5})

    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 8:
                raise KeyboardInterrupt

    # checkpoints lie between two losses that are told
    often = lambda *given: log_often(build_arguments(*given))  # noqa: E731
    monkeypatch.setattr("pipeline.training.tuning.build_arguments", often)
    trained, _, told = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "whole")
    whole = get_trained(trained)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "killed")
    last = find_last_checkpoint(tmp_path / "killed")
    assert last.name == ("checkpoint-6" if when == "epoch" else "checkpoint-8")
    # killed once more, while the next checkpoint was being written
    shutil.copytree(last, tmp_path / "killed/checkpoint-99")
    (tmp_path / "killed/checkpoint-99/trainer_state.json").write_text('{"best_glo')
    trained, _, told_again = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "killed")
    resumed = get_trained(trained)
    assert all(value.equal(resumed[name]) for name, value in whole.items())
    # and logs the same, whatever of a loss's steps lie before the kill
    pd.testing.assert_frame_equal(told, told_again)


# the best state is read as a checkpoint is
@pytest.mark.parametrize("keeps_best", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_network_of_a_prefix_goes_on_and_its_best_state_is_kept(
    keeps_best, tokenizer, five_rows, make_params, tmp_path, monkeypatch
):
    from transformers import TrainerCallback

    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 8:
                raise KeyboardInterrupt

    # the best is that of step 6, which a killed run finds before and the other after
    monkeypatch.setattr("pipeline.training.tuning.build_rouge", lambda *a: lambda model: next(scores))
    best = {"train.metric_for_best_model": "rouge", "train.load_best_model_at_end": keeps_best}
    projected = {"train.method": "prefix_tuning", "prompt_tuning.prefix_projection": True}
    params = make_params(**{**TINY, **best, **projected, "train.num_train_epochs": 4})
    scores = iter([0.1, 0.4, 0.3, 0.2])
    trained, metrics, _ = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "whole")
    assert (metrics["valid_rouge"], metrics["steps"]) == (0.4 if keeps_best else 0.2, 12)
    whole = get_trained(trained)
    assert any("transform" in name for name in whole)
    scores = iter([0.1, 0.4])
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "killed")
    scores = iter([0.3, 0.2])
    trained, again, _ = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "killed")
    assert again["valid_rouge"] == metrics["valid_rouge"]
    resumed = get_trained(trained)
    assert all(value.equal(resumed[name]) for name, value in whole.items())


def test_loss_that_is_no_number_is_refused(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    params = make_params(**{**TINY, "train.num_train_epochs": 1})
    compute = trainer.sum_cross_entropy
    monkeypatch.setattr(trainer, "sum_cross_entropy", lambda *args: compute(*args) * float("nan"))
    with pytest.raises(InputError, match="the loss is not a number any more"):
        tune_tiny("gpt2", tokenizer, five_rows, params, tmp_path)


def test_best_checkpoint_by_rouge_is_kept(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    scores = iter([0.1, 0.4, 0.3, 0.2])
    monkeypatch.setattr("pipeline.training.tuning.build_rouge", lambda *a: lambda model: next(scores))
    best = {"train.metric_for_best_model": "rouge", "train.load_best_model_at_end": True}
    params = make_params(**{**TINY, **best, "train.num_train_epochs": 9, "train.early_stopping_patience": 2})
    trainer, metrics, _ = tune_tiny("gpt2", tokenizer, five_rows, params, tmp_path)
    assert (metrics["valid_rouge"], metrics["steps"]) == (0.4, 12)
    losses = {one["step"]: one["loss"] for one in metrics["validation"]}
    assert metrics["valid_loss"] == losses[6] != losses[12]
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-6")


# other kills of a training run every day
@pytest.mark.slow
@pytest.mark.parametrize("killed_at", ["step 11", "the last save"])
def test_early_stopping_of_a_killed_run_stops_where_it_would_have(
    killed_at, tokenizer, five_rows, make_params, tmp_path, monkeypatch
):
    from transformers import TrainerCallback

    # the best is that of step 3; with a patience of three the run ends at step 12
    scores = {3: 0.4, 6: 0.3, 9: 0.2, 12: 0.3, 15: 0.1}
    running = []

    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if killed_at == "step 11" and state.global_step == 10:
                raise KeyboardInterrupt

        def on_save(self, args, state, control, **kwargs):
            if killed_at == "the last save" and state.global_step == 12:
                raise KeyboardInterrupt

    class Watched(SummaryTrainer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            running.append(self)

    monkeypatch.setattr("pipeline.training.tuning.SummaryTrainer", Watched)
    monkeypatch.setattr(
        "pipeline.training.tuning.build_rouge", lambda *a: lambda model: scores[running[-1].state.global_step]
    )
    best = {"train.metric_for_best_model": "rouge", "train.load_best_model_at_end": True}
    params = make_params(**{**TINY, **best, "train.num_train_epochs": 9, "train.early_stopping_patience": 3})
    whole, metrics, _ = tune_tiny("gpt2", tokenizer, five_rows, params, tmp_path / "whole")
    assert metrics["steps"] == 12
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda p: [*build_callbacks(p), Killer()])
        with pytest.raises(KeyboardInterrupt):
            tune_tiny("gpt2", tokenizer, five_rows, params, tmp_path / "killed")
    resumed, metrics, _ = tune_tiny("gpt2", tokenizer, five_rows, params, tmp_path / "killed")
    assert (metrics["steps"], metrics["valid_rouge"]) == (12, 0.4)
    expected = get_trained(whole)
    assert all(value.equal(expected[name]) for name, value in get_trained(resumed).items())


def test_accumulated_small_batches_are_one_large_batch(tokenizer, five_rows, make_params, tmp_path):
    sizes = [(4, 1), (2, 2), (1, 4)]
    trained = []
    for size, steps in sizes:
        changes = {"train.per_device_train_batch_size": size, "train.gradient_accumulation_steps": steps}
        params = make_params(**{**TINY, **changes, "train.num_train_epochs": 3})
        trained.append(get_trained(tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / str(size))[0]))
    for other in trained[1:]:
        assert all(torch.allclose(value, other[name], atol=1e-5) for name, value in trained[0].items())


def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(
    tokenizer, five_rows, make_params, tmp_path, monkeypatch, capsys
):
    changes = {"train.per_device_train_batch_size": 4, "train.num_train_epochs": 3}
    params = make_params(**{**TINY, **changes})
    whole = get_trained(tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "whole")[0])
    compute = SummaryTrainer.compute_loss

    def run_out(self, model, inputs, *args, **kwargs):
        if len(inputs["examples"]) > 2 and model.training and self.state.global_step == 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(SummaryTrainer, "compute_loss", run_out)
    with pytest.raises(InputError, match=r"out of memory with 4 examples a step; turn on train\.auto_find_batch_size"):
        tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "refused")
    params = make_params(**{**TINY, **changes, "train.auto_find_batch_size": True})
    # what a kill left of the weights that a run begins with
    (tmp_path / "halved").mkdir()
    (tmp_path / "halved/start.pt").write_bytes(b"PK")
    trainer, metrics, _ = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "halved")
    assert (metrics["per_device_train_batch_size"], metrics["gradient_accumulation_steps"]) == (2, 2)
    assert "goes on with 2 examples a step and 2 accumulated steps" in capsys.readouterr().out
    halved = get_trained(trainer)
    assert all(torch.allclose(value, halved[name], atol=1e-5) for name, value in whole.items())


def test_offloaded_layers_are_refused(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    from accelerate import dispatch_model

    build = build_tiny_model

    def offload(family, size):
        places = {"model.layers.1": "disk", "": "cpu"}
        return dispatch_model(build(family, size), places, main_device="cpu", offload_dir=str(tmp_path / "offloaded"))

    monkeypatch.setattr("builders.build_tiny_model", offload)
    with pytest.raises(InputError, match=r"model\.device_map: auto put layers off the device"):
        tune_tiny("llama", tokenizer, five_rows, make_params(**TINY), tmp_path / "run")


TWO_PROCESSES = """
import json, sys
import os
from pathlib import Path
import pandas as pd
from ruamel.yaml import YAML
sys.path[:0] = [{root!r}, {tests!r}]
os.environ["HF_HUB_OFFLINE"] = "1"
from builders import ROOT, TINY, dump_params, tune_tiny
from pipeline.models.tokenizer import build_bpe_tokenizer
from pipeline.params.reading import parse_params
texts = [f"{{i}}일 서울에서 축제가 열렸다. 시민 {{i}}00명이 참여했다. 날씨가 맑았다." for i in range(1, int(sys.argv[3]) + 1)]
rows = pd.DataFrame({{"id": [t[:3] for t in texts], "text": texts, "summaries": [[t[:20]] for t in texts]}})
values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
changes = {{**TINY, "train.per_device_train_batch_size": int(sys.argv[1]), "train.num_train_epochs": 4}}
folder = Path(sys.argv[2])
folder.mkdir(exist_ok=True)
params = parse_params(dump_params(values, changes, folder / f"{{os.environ.get('RANK', 0)}}.yaml"))
trainer, metrics, _ = tune_tiny("gptj", build_bpe_tokenizer(texts, 400, 128), rows, params, folder / "run")
if trainer.is_world_process_zero():
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    (folder / "losses.json").write_text(json.dumps(losses))
"""


# of an update of four, the last one has one or two: none for the second process, or one for each (the easier case)
# slow: three processes that load torch, twenty seconds; how examples are shared is tested by itself in test_sharing
@pytest.mark.slow
@pytest.mark.parametrize("rows", ["9", "10"])
def test_two_processes_learn_what_one_learns(rows, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(TWO_PROCESSES.format(root=str(ROOT), tests=str(ROOT / "tests")))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    curves = []
    for name, size, command in (("one", "4", []), ("two", "2", launcher)):
        subprocess.run(
            [sys.executable, *command, str(script), size, str(tmp_path / name), rows],
            env=environment,
            check=True,
            capture_output=True,
        )
        curves.append(json.loads((tmp_path / name / "losses.json").read_text()))
    assert len(curves[0]) == 4
    # sums over processes are rounded in another order
    assert curves[1] == pytest.approx(curves[0], abs=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(
    "YOYAK_PRETRAINED" not in os.environ, reason="YOYAK_PRETRAINED names a pretrained causal model's folder"
)
def test_pretrained_model_is_tuned_and_writes_korean(make_params, tmp_path):
    """Slow, and a real model is half a gigabyte: by hand, with a folder such as SmolLM2-135M's."""

    from pipeline.decoding.decoder import Decoder
    from pipeline.decoding.grid import decode_grid
    from pipeline.models.base import BaseModel
    from pipeline.models.loading import load_model, load_prompt_builder
    from pipeline.params.grid import Configuration

    sample = pd.read_csv(ROOT / "data/sample/train.csv").head(64)
    rows = pd.DataFrame({"id": sample["id"], "text": sample["text"], "summaries": [[s] for s in sample["summary"]]})
    params = make_params(**{"train.num_train_epochs": 2, "train.learning_rate": 5e-4, "train.warmup_steps": 2})
    base = BaseModel(os.environ["YOYAK_PRETRAINED"], None, "")
    model, tokenizer = load_model(base, params.model)
    builder = load_prompt_builder(base, params.model, params.prompt, "head")
    examples = {"train": rows.head(48), "valid": rows.tail(16)}
    trainer, _, _ = tune(model, builder, examples, build_recipe(params), Objective(), tmp_path)
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert losses[1] < losses[0]
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(rows["text"].tail(4)))]
    merged = trainer.model.merge_and_unload().eval()
    greedy = [Configuration("greedy", {"max_new_tokens": 32})]
    candidates, _ = decode_grid(Decoder(merged, tokenizer, 4, 0), list("abcd"), prompts, greedy)
    assert all(any("가" <= letter <= "힣" for letter in text) for text in candidates["text"])
