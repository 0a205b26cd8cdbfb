"""Real but tiny training: the loss falls, a killed run goes on bit for bit, memory that runs out is survived."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from builders import ROOT, build_recipe, build_tiny_model, dump_params, pad
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.models.loading import save_model
from pipeline.models.prompts import PromptBuilder
from pipeline.training import micro_batches, trainer
from pipeline.training.checkpoints import find_last_checkpoint
from pipeline.training.micro_batches import halve_batch, split_batch
from pipeline.training.objectives import Objective, build_objective
from pipeline.training.packing import Packing
from pipeline.training.trainer import SummaryTrainer
from pipeline.training.tuning import tune

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]
TINY = {"model.precision": "fp32", "train.warmup_steps": 0, "lora.r": 4, "train.per_device_train_batch_size": 2}


def run(family, tokenizer, five_rows, params, folder, objective=None):
    """Tunes a tiny model on five rows; the trainer, metrics and history."""
    model = build_tiny_model(family, len(tokenizer))
    prompt = params.prompt.model_copy(update={"max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, prompt, "head", 128, model.config.is_encoder_decoder)
    return tune(
        model, builder, {"train": five_rows, "valid": five_rows}, build_recipe(params), objective or Objective(), folder
    )


def get_trained(trainer):
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_trains_the_adapter_alone_and_the_loss_falls(family, tokenizer, five_rows, make_params, tmp_path):
    params = make_params(**{**TINY, "lora.target_modules": "auto", "train.num_train_epochs": 4})
    before = {name: value.clone() for name, value in build_tiny_model(family, len(tokenizer)).named_parameters()}
    tuned, metrics, history = run(family, tokenizer, five_rows, params, tmp_path)
    losses = [entry["eval_loss"] for entry in tuned.state.log_history if "eval_loss" in entry]
    assert losses[-1] < losses[0]
    assert (metrics["steps"], metrics["valid_loss"]) == (12, round(losses[-1], 4))
    assert history.columns.tolist() == ["step", "loss", "learning_rate"]
    frozen = {n: v for n, v in tuned.model.get_base_model().named_parameters() if not v.requires_grad}
    assert len(frozen) >= len(before) - 1  # tied embeddings count once
    assert all(value.equal(before[name.replace(".base_layer", "")]) for name, value in frozen.items())


@pytest.mark.parametrize("when", ["epoch", "steps"])
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

    whole = get_trained(run("gptj", tokenizer, five_rows, params, tmp_path / "whole")[0])
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            run("gptj", tokenizer, five_rows, params, tmp_path / "killed")
    last = find_last_checkpoint(tmp_path / "killed")
    assert last.name == ("checkpoint-6" if when == "epoch" else "checkpoint-8")
    # killed once more, while the next checkpoint was being written
    shutil.copytree(last, tmp_path / "killed/checkpoint-99")
    (tmp_path / "killed/checkpoint-99/trainer_state.json").write_text('{"best_glo')
    resumed = get_trained(run("gptj", tokenizer, five_rows, params, tmp_path / "killed")[0])
    assert all(value.equal(resumed[name]) for name, value in whole.items())


def test_checkpoint_cut_short_is_removed_and_the_one_before_it_found(tmp_path):
    for number, state in ((3, "{}"), (20, "{}"), (100, '{"epo'), (101, None)):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{number}/trainer_state.json").write_text(state)
    assert find_last_checkpoint(tmp_path) == tmp_path / "checkpoint-20"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-3", "checkpoint-20"}
    assert find_last_checkpoint(tmp_path / "nowhere") is None


def test_loss_that_is_no_number_is_refused(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    params = make_params(**{**TINY, "train.num_train_epochs": 1})
    compute = trainer.sum_cross_entropy
    monkeypatch.setattr(trainer, "sum_cross_entropy", lambda *args: compute(*args) * float("nan"))
    with pytest.raises(InputError, match="the loss is not a number any more"):
        run("gpt2", tokenizer, five_rows, params, tmp_path)


def test_best_checkpoint_by_rouge_is_kept(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    scores = iter([0.1, 0.4, 0.3, 0.2])
    monkeypatch.setattr("pipeline.training.tuning.build_rouge", lambda *a: lambda model: next(scores))
    best = {"train.metric_for_best_model": "rouge", "train.load_best_model_at_end": True}
    params = make_params(**{**TINY, **best, "train.num_train_epochs": 9, "train.early_stopping_patience": 2})
    trainer, metrics, _ = run("gpt2", tokenizer, five_rows, params, tmp_path)
    assert (metrics["valid_rouge"], metrics["steps"]) == (0.4, 12)
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-6")


def test_rouge_is_that_of_greedy_summaries(tokenizer, five_rows, make_params, tmp_path):
    params = make_params(**{**TINY, "train.metric_for_best_model": "rouge", "train.num_train_epochs": 1})
    metrics = run("t5", tokenizer, five_rows, params, tmp_path)[1]
    assert 0 <= metrics["valid_rouge"] <= 1


def test_accumulated_small_batches_are_one_large_batch(tokenizer, five_rows, make_params, tmp_path):
    sizes = [(4, 1), (2, 2), (1, 4)]
    trained = []
    for size, steps in sizes:
        changes = {"train.per_device_train_batch_size": size, "train.gradient_accumulation_steps": steps}
        params = make_params(**{**TINY, **changes, "train.num_train_epochs": 3})
        trained.append(get_trained(run("gptj", tokenizer, five_rows, params, tmp_path / str(size))[0]))
    for other in trained[1:]:
        assert all(torch.allclose(value, other[name], atol=1e-5) for name, value in trained[0].items())


def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(
    tokenizer, five_rows, make_params, tmp_path, monkeypatch, capsys
):
    changes = {"train.per_device_train_batch_size": 4, "train.num_train_epochs": 3}
    params = make_params(**{**TINY, **changes})
    whole = get_trained(run("gptj", tokenizer, five_rows, params, tmp_path / "whole")[0])
    compute = SummaryTrainer.compute_loss

    def run_out(self, model, inputs, *args, **kwargs):
        if len(inputs["examples"]) > 2 and model.training and self.state.global_step == 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(SummaryTrainer, "compute_loss", run_out)
    with pytest.raises(InputError, match=r"out of memory with 4 examples a step; turn on train\.auto_find_batch_size"):
        run("gptj", tokenizer, five_rows, params, tmp_path / "refused")
    params = make_params(**{**TINY, **changes, "train.auto_find_batch_size": True})
    trainer, metrics, _ = run("gptj", tokenizer, five_rows, params, tmp_path / "halved")
    assert (metrics["per_device_train_batch_size"], metrics["gradient_accumulation_steps"]) == (2, 2)
    assert "goes on with 2 examples a step and 2 accumulated steps" in capsys.readouterr().out
    halved = get_trained(trainer)
    assert all(torch.allclose(value, halved[name], atol=1e-5) for name, value in whole.items())


@pytest.mark.parametrize(("size", "steps", "smaller"), [(8, 1, (4, 2)), (6, 1, (3, 2)), (5, 1, (1, 5)), (3, 2, (1, 6))])
def test_halved_batch_keeps_the_update(size, steps, smaller, make_params):
    changes = {"train.per_device_train_batch_size": size, "train.gradient_accumulation_steps": steps}
    halved = halve_batch(make_params(**changes).train)
    assert (halved.per_device_train_batch_size, halved.gradient_accumulation_steps) == smaller
    assert halve_batch(make_params(**{"train.per_device_train_batch_size": 1}).train) is None


class Counted:
    """A model as far as its weights are counted."""

    def __init__(self, trainable, total):
        self.sizes = {True: trainable, False: total}

    def num_parameters(self, only_trainable=False):
        return self.sizes[only_trainable]


SMALL, LARGE, TUNED = Counted(3 * 10**5, 45 * 10**5), Counted(10**6, 10**8), Counted(10**8, 10**8)


@pytest.mark.parametrize(
    ("model", "size", "tokens", "changes", "split"),
    [
        (LARGE, 8, 500, {}, (2, 4)),
        (LARGE, 8, 100, {}, (8, 1)),
        (LARGE, 32, 100, {"train.gradient_accumulation_steps": 2}, (8, 8)),
        (SMALL, 8, 500, {}, (8, 1)),
        (SMALL, 32, 500, {}, (8, 4)),
        (TUNED, 16, 600, {}, (8, 2)),
        (TUNED, 8, 600, {}, (8, 1)),
        (LARGE, 8, 500, {"model.quantization": "4bit"}, (8, 1)),
    ],
)
def test_step_on_a_cpu_reads_what_makes_it_fast_and_no_more(model, size, tokens, changes, split, make_params):
    params = make_params(**{"train.per_device_train_batch_size": size, **changes})
    chosen = split_batch(params, tokens, model, "cpu")
    assert (chosen.per_device_train_batch_size, chosen.gradient_accumulation_steps) == split
    assert split_batch(params, tokens, model, "cuda") == params.train


def test_split_batch_learns_what_the_whole_one_does(tokenizer, five_rows, make_params, tmp_path, monkeypatch, capsys):
    params = make_params(**{**TINY, "train.per_device_train_batch_size": 4, "train.num_train_epochs": 3})
    whole = get_trained(run("gptj", tokenizer, five_rows, params, tmp_path / "whole")[0])
    assert "at a time" not in capsys.readouterr().out
    monkeypatch.setattr(micro_batches, "TOKENS", 1)
    monkeypatch.setattr(micro_batches, "MULTIPLICATIONS", 0)
    monkeypatch.setattr(micro_batches, "TOKENS_WHERE_ALL_IS_TUNED", 1)
    trainer, metrics, _ = run("gptj", tokenizer, five_rows, params, tmp_path / "split")
    assert (metrics["per_device_train_batch_size"], metrics["gradient_accumulation_steps"]) == (1, 4)
    assert "train: the 4 examples of an update are read 1 at a time" in capsys.readouterr().out
    split = get_trained(trainer)
    assert all(torch.allclose(value, split[name], atol=1e-5) for name, value in whole.items())


def test_label_smoothing_is_that_of_transformers_and_spares_validation(tokenizer, five_rows, make_params):
    from builders import build_batch
    from transformers.trainer_pt_utils import LabelSmoother

    model, collator, features = build_batch("gptj", tokenizer, five_rows, make_params())
    trainer = SummaryTrainer.__new__(SummaryTrainer)
    trainer.objective, trainer.packing, trainer.validated = Objective(label_smoothing=0.2), Packing(), [0.0, 0]
    batch = pad(collator)(features)
    with torch.no_grad():
        oracle = LabelSmoother(0.2)(model(**batch), batch["labels"], shift_labels=True)
        plain = model(**batch).loss
        assert trainer.compute_loss(model.train(), batch).item() == pytest.approx(oracle.item(), abs=1e-5)
        assert trainer.compute_loss(model.eval(), batch).item() == pytest.approx(plain.item(), abs=1e-5)


def test_student_comes_closer_to_its_teacher(tokenizer, five_rows, make_params, tmp_path):
    torch.manual_seed(3)
    save_model(build_tiny_model("llama", len(tokenizer)), tokenizer, tmp_path / "teacher")
    taught = {"train.distill": {"teacher": str(tmp_path / "teacher"), "temperature": 2.0, "alpha": 1.0}}
    params = make_params(**{**TINY, **taught, "train.num_train_epochs": 25, "train.learning_rate": 1e-2, "lora.r": 8})
    objective = build_objective(params.train, params.model, tokenizer)
    assert not any(p.requires_grad and p.grad is not None for p in objective.teacher.parameters())

    def measure(model, batch):
        given = {name: value for name, value in batch.items() if name not in ("labels", "logits_to_keep")}
        with torch.no_grad():
            ours, theirs = (torch.log_softmax(m(**given).logits[:, -8:], -1) for m in (model, objective.teacher))
        return torch.nn.functional.kl_div(ours, theirs, log_target=True, reduction="batchmean").item()

    trainer = run("gptj", tokenizer, five_rows, params, tmp_path / "run", objective)[0]
    batch = pad(trainer.data_collator)(trainer.features)
    before = measure(build_tiny_model("gptj", len(tokenizer)), batch)
    assert measure(trainer.model.eval(), batch) < before / 2


def test_teacher_with_other_tokens_is_refused(tokenizer, make_params, tmp_path):
    from pipeline.models.tokenizer import build_bpe_tokenizer

    other = build_bpe_tokenizer(["다른 글"], 300, 128)
    save_model(build_tiny_model("gpt2", len(other)), other, tmp_path / "teacher")
    params = make_params(**{"train.distill": {"teacher": str(tmp_path / "teacher"), "temperature": 1.0, "alpha": 0.5}})
    with pytest.raises(InputError, match=r"train\.distill\.teacher: .*: its tokenizer is not that of the student"):
        build_objective(params.train, params.model, tokenizer)
    params = make_params(**{"train.distill": {"teacher": "./nowhere", "temperature": 1.0, "alpha": 0.5}})
    with pytest.raises(InputError, match=r"train\.distill\.teacher: \./nowhere: no such folder"):
        build_objective(params.train, params.model, tokenizer)


def test_offloaded_layers_are_refused(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    from accelerate import dispatch_model

    build = build_tiny_model

    def offload(family, size):
        places = {"model.layers.1": "disk", "": "cpu"}
        return dispatch_model(build(family, size), places, main_device="cpu", offload_dir=str(tmp_path / "offloaded"))

    monkeypatch.setattr(sys.modules[__name__], "build_tiny_model", offload)
    with pytest.raises(InputError, match=r"model\.device_map: auto put layers off the device"):
        run("llama", tokenizer, five_rows, make_params(**TINY), tmp_path / "run")


TWO_PROCESSES = """
import json, sys
import os
from pathlib import Path
import pandas as pd
from ruamel.yaml import YAML
sys.path[:0] = [{root!r}, {tests!r}, {tests!r} + "/stages"]
os.environ["HF_HUB_OFFLINE"] = "1"
from builders import ROOT, dump_params
from test_train import run, TINY
from pipeline.models.tokenizer import build_bpe_tokenizer
from pipeline.params.reading import parse_params
texts = [f"{{i}}일 서울에서 축제가 열렸다. 시민 {{i}}00명이 참여했다. 날씨가 맑았다." for i in range(1, 9)]
rows = pd.DataFrame({{"id": list("abcdefgh"), "text": texts, "summaries": [[t[:20]] for t in texts]}})
values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
changes = {{**TINY, "train.per_device_train_batch_size": int(sys.argv[1]), "train.num_train_epochs": 4}}
folder = Path(sys.argv[2])
folder.mkdir(exist_ok=True)
params = parse_params(dump_params(values, changes, folder / f"{{os.environ.get('RANK', 0)}}.yaml"))
trainer, metrics, _ = run("gptj", build_bpe_tokenizer(texts, 400, 128), rows, params, folder / "run")
if trainer.is_world_process_zero():
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    (folder / "losses.json").write_text(json.dumps(losses))
"""


def test_two_processes_learn_what_one_learns(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(TWO_PROCESSES.format(root=str(ROOT), tests=str(ROOT / "tests")))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    curves = []
    for name, size, command in (("one", "4", []), ("two", "2", launcher)):
        subprocess.run(
            [sys.executable, *command, str(script), size, str(tmp_path / name)],
            env=environment,
            check=True,
            capture_output=True,
        )
        curves.append(json.loads((tmp_path / name / "losses.json").read_text()))
    assert len(curves[0]) == 4
    # sums over processes are rounded in another order
    assert curves[1] == pytest.approx(curves[0], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["train.processes", "accelerate launch"])
def test_processes_are_the_same_run_from_the_command_line(launcher, tmp_path):
    """Slow: three runs of the real base's stages, each with its own imports."""
    values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    sizes = {"pretrain.n_embd": 32, "pretrain.n_layer": 1, "pretrain.num_train_epochs": 1, "train.num_train_epochs": 1}
    # the effective batch is eight in all of them
    changes = {**sizes, "model.precision": "fp32", "train.warmup_steps": 0, "data.train": str(tmp_path / "train.csv")}
    lines = (ROOT / "data/sample/train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "train.csv").write_text("".join(lines[:130]), encoding="utf-8")
    for name in ("test", "sample_submission"):
        changes[f"data.{name}"] = str(ROOT / f"data/sample/{name}.csv")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    grid = {"greedy": {}, "beam": {"num_beams": 2}, "nucleus": {"do_sample": True, "num_return_sequences": 3}}
    changes |= {"decode.grid": grid, "decode.max_new_tokens": 8, "decode.few_shot": 0, "predict.use": "consensus/all"}

    def call(command, size, processes):
        sized = {**changes, "train.per_device_train_batch_size": size, "train.processes": processes}
        sized |= {"decode.processes": processes, "predict.processes": processes}
        dump_params(values, sized, tmp_path / "params.yaml")
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "metrics/train.json").read_text()) if command[-1] == "train" else None

    for stage in ("preprocess", "pretrain"):
        call(["-m", "pipeline", stage], 8, 1)
    alone = call(["-m", "pipeline", "train"], 8, 1)
    # its name for "several processes"; where there is no GPU they speak gloo
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2", "--mixed_precision=no"]
    launch, processes = ([], 2) if launcher == "train.processes" else (launch, 1)
    together = call([*launch, "-m", "pipeline", "train"], 4, processes)
    assert together["valid_loss"] == pytest.approx(alone["valid_loss"], abs=2e-4)
    assert (together["steps"], together["per_device_train_batch_size"]) == (alone["steps"], 4)
    assert (tmp_path / "models/adapter/adapter_config.json").is_file()
    written = []
    for command, number in ([], 1), (launch, processes):
        # what the one remembers would spare the others their work
        shutil.rmtree(tmp_path / ".yoyak/candidates", ignore_errors=True)
        for stage in ("decode", "score", "predict"):
            call([*(command if stage != "score" else []), "-m", "pipeline", stage], 4, number)
        written.append([pd.read_parquet(tmp_path / f"predictions/{name}.parquet") for name in ("valid", "test")])
    for ours, theirs in zip(*written, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.skipif(
    "YOYAK_PRETRAINED" not in os.environ, reason="YOYAK_PRETRAINED names a pretrained causal model's folder"
)
def test_pretrained_model_is_tuned_and_writes_korean(make_params, tmp_path):
    """Slow, and a real model is half a gigabyte: by hand, with a folder such as SmolLM2-135M's."""
    import pandas as pd

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
