"""The command of train: who waits, who loads onto which device, who writes."""

import shutil
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from builders import TINY, build_tiny_model, dump_params
from typer.testing import CliRunner

from pipeline.cli import loading
from pipeline.cli.app import app
from pipeline.cli.loading import ModelFiles, load_base_and_prompts, load_params
from pipeline.cli.sections import STAGE_SECTIONS
from pipeline.cli.stages import LEARNT
from pipeline.competition.corpus import collect_texts
from pipeline.errors import InputError
from pipeline.models import processes
from pipeline.models.base import load_base, load_pins, save_model, save_pins
from pipeline.models.pins import TEACHER, load_teacher_pins, pin_teacher
from pipeline.models.special_tokens import load_special_tokens, save_special_tokens
from pipeline.models.truncation import Truncation, save_truncation
from pipeline.paths import ADAPTER, BASE, PARAMS, PROCESSED, TRAINED, TRUNCATION
from pipeline.stages import train as stage
from pipeline.tables import LABELLED, TEXTS, save_table
from pipeline.training.runs import hold_run

SHORT = {"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 24, "model.precision": "fp32"}


@pytest.fixture
def train(shipped, tokenizer, five_rows, tmp_path, monkeypatch):
    """Runs the command on five rows and a tiny base in the current folder: `train(**{"lora.r": 4})`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path / "scratch"))
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, BASE)
    for name in ("train", "valid"):
        save_table(five_rows, PROCESSED / f"{name}.parquet", LABELLED)
    save_truncation(Truncation("head"), TRUNCATION)

    def run(**changes):
        dump_params(shipped, {**SHORT, **changes}, PARAMS)
        return CliRunner().invoke(app, ["train"], catch_exceptions=False)

    return run


def find_run() -> Path:
    params = load_params(PARAMS).select(*STAGE_SECTIONS["train"])
    return loading.find_run("train", params, LEARNT, [load_base(BASE), *load_pins(BASE).values()])


def test_pretrain_pins_the_teacher_beside_the_base(train, shipped, model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "teacher")
    save_table(collect_texts({}, []), PROCESSED / "text.parquet", TEXTS)
    dump_params(shipped, {**SHORT, "model.name": str(model_folder), "train.distill.teacher": "teacher"}, PARAMS)
    assert CliRunner().invoke(app, ["pretrain"], catch_exceptions=False).exit_code == 0
    assert load_teacher_pins(BASE, load_params(PARAMS).train.distill).keys() == {TEACHER}
    assert load_base(BASE).name == str(model_folder)


def test_another_truncation_is_another_run_and_cuts_the_prompts_of_every_stage(train, shipped):
    dump_params(shipped, {**SHORT, "prompt.max_document_tokens": 4}, PARAMS)
    runs, prompts = [], []
    for name in ("head", "tail"):
        save_truncation(Truncation(name), TRUNCATION)
        runs.append(find_run())
        prompts.append(load_base_and_prompts(load_params(PARAMS))[1].build_prompts(["12345678"])[0].input_ids)
    assert runs[0] != runs[1]
    assert prompts[0] != prompts[1]


def test_second_run_of_one_key_waits_and_takes_what_the_first_made(train, shipped, tmp_path, monkeypatch):
    # as another experiment's workspace, with params that train does not read
    dump_params(shipped, {**SHORT, "predict.use": "lead-1"}, PARAMS)
    folder, held = find_run(), threading.Event()

    def train_elsewhere():
        outputs = [tmp_path / "elsewhere" / path for path in TRAINED]
        with hold_run(folder, outputs):
            held.set()
            while not list(folder.glob("waiting-*")):
                time.sleep(0.01)
            outputs[0].mkdir(parents=True)
            for path in (outputs[0] / "adapter_config.json", *outputs[1:]):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("theirs")

    monkeypatch.setattr(stage, "train", lambda *args: pytest.fail("trains, and nobody needs it"))
    thread = threading.Thread(target=train_elsewhere)
    thread.start()
    held.wait()
    result = train()
    thread.join()
    assert result.exit_code == 0, result.output
    assert f"another process trains the same run in {folder}" in result.output
    files = [TRAINED[0] / "adapter_config.json", *TRAINED[1:]]
    assert [path.read_text() for path in files] == ["theirs"] * 4
    assert not folder.exists()


@pytest.mark.parametrize("is_first", [True, False])
def test_process_gets_its_device_before_it_loads_and_one_process_writes(train, is_first, tmp_path, monkeypatch):
    called, base = [], load_base(BASE)
    details = {"valid_loss": 1.0}
    monkeypatch.setattr(processes, "join_processes", lambda: called.append("join") or is_first)
    monkeypatch.setattr(
        "pipeline.cli.stages.load_base_and_prompts", lambda params, **given: called.append("load") or (base, None)
    )
    monkeypatch.setattr("pipeline.cli.stages.find_run", lambda *args: tmp_path / "run")
    tuned = stage.Tuned(None, None, details, pd.DataFrame({"step": [1]}))
    monkeypatch.setattr(stage, "train", lambda *args: called.append("train") or tuned)
    monkeypatch.setattr("pipeline.models.adapter.save_adapter", lambda *args: called.append("save"))
    assert train().exit_code == 0
    assert called == ["join", "load", "train", *(["save"] if is_first else [])]
    assert TRAINED[1].is_file() == is_first


def test_losses_are_written_while_the_model_is_tuned(train, tmp_path, monkeypatch):
    base = load_base(BASE)
    monkeypatch.setattr("pipeline.cli.stages.load_base_and_prompts", lambda params, **given: (base, None))
    monkeypatch.setattr("pipeline.cli.stages.find_run", lambda *args: tmp_path / "run")

    def tune(base, builder, examples, recipe, *rest):
        recipe.on_log(pd.DataFrame({"step": [10, 20], "loss": [2.0, 1.0]}))
        raise InputError("train: out of memory")

    monkeypatch.setattr(stage, "train", tune)
    assert train().exit_code == 2
    assert TRAINED[3].read_text() == "step,loss\n10,2.0\n20,1.0\n"


def test_launcher_of_several_processes_is_refused_for_weights_that_one_must_hold(make_params, monkeypatch):
    monkeypatch.setattr(processes, "count_processes", lambda: 2)
    processes.refuse_spread_weights(make_params().model)
    with pytest.raises(InputError, match=r"model\.device_map: auto weights are trained by one process, not by 2"):
        processes.refuse_spread_weights(make_params(**{"model.device_map": "auto"}).model)
    with pytest.raises(InputError, match=r"model\.quantization: 4bit"):
        processes.refuse_spread_weights(make_params(**{"model.quantization": "4bit"}).model)


def test_special_tokens_are_trained_saved_and_known_to_the_tuned_model_alone(train, tokenizer, five_rows):
    marked = five_rows.assign(text="#Person1#: " + five_rows["text"], summaries=[["#Person1#은 갔다."]] * 5)
    many = pd.concat([marked.assign(id=marked["id"] + str(n)) for n in range(2)])
    for name in ("train", "valid"):
        save_table(many, PROCESSED / f"{name}.parquet", LABELLED)
    params, runs = {**TINY, "train.num_train_epochs": 1}, []
    for tokens in (["#Person1#"], "auto"):
        result = train(**params, **{"model.special_tokens": tokens})
        assert result.exit_code == 0, result.output
        runs.append(find_run())
        assert load_special_tokens(ADAPTER) == ("#Person1#",)
    assert len(set(runs)) == 2
    given = load_params(PARAMS).select(*STAGE_SECTIONS["decode"])
    source = ModelFiles(given, 4, "auto")
    assert CliRunner().invoke(app, ["refine"], catch_exceptions=False).exit_code == 0
    decoder, builder = source.load_tuned()
    (row,) = decoder.tokenizer.convert_tokens_to_ids(["#Person1#"])
    assert row == len(tokenizer)
    assert [prompt.input_ids[0] for prompt in builder.build_prompts(many["text"])] == [row] * 10
    assert decoder.model.get_input_embeddings().num_embeddings == row + 1
    assert (source.load_base().tokenizer.get_vocab(), source.build_base_prompts(0).tokenizer.get_vocab()) == (
        tokenizer.get_vocab(),
    ) * 2
    before = decoder.fingerprint
    save_special_tokens(["#Person2#"], ADAPTER)
    assert CliRunner().invoke(app, ["refine"], catch_exceptions=False).exit_code == 0
    assert source.load_tuned()[0].fingerprint != before


def test_checkpoints_of_as_many_processes_are_found_and_no_others(train, shipped, monkeypatch):
    dump_params(shipped, SHORT, PARAMS)
    alone = find_run()
    monkeypatch.setattr(processes, "count_processes", lambda: 2)
    assert find_run() != alone


def test_teacher_that_changed_is_no_longer_the_run_and_is_refused_before_it_trains(
    train, shipped, model_folder, monkeypatch
):
    taught = {"train.distill.teacher": str(model_folder)}
    monkeypatch.setattr(stage, "train", lambda *args: 1 / 0)
    refusals, runs = [], []
    for _ in range(2):
        dump_params(shipped, {**SHORT, **taught}, PARAMS)
        save_pins(pin_teacher(load_params(PARAMS).train.distill, BASE), BASE)
        runs.append(find_run())
        with (model_folder / "config.json").open("a") as file:
            file.write("\n")
        refusals.append(train(**taught))
    assert runs[0] != runs[1]
    for refusal in refusals:
        assert refusal.exit_code == 2
        assert f"train.distill.teacher: {model_folder}: changed since the pretrain stage looked at it" in refusal.output
