"""check refuses what a later stage would refuse, in the stage's own words, and says what few-shot examples cost."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from builders import build_competition, build_tiny_model

from pipeline.models.base import save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.paths import BASE
from pipeline.tables import CANDIDATES, save_json, save_table

EXTERNAL = "data/external/chat.csv"
TWO_BEAM_SAMPLES = {"drawn": {"do_sample": True, "num_beams": 2}}
# what is wrong, the stage that says so, and how its line begins
REFUSALS = {
    "sample of records as a CSV": (
        {"data.sample_submission": "sample.json"},
        *("export", "export.format.suffix: csv, but the sample submission holds JSON records; set json"),
    ),
    "unknown pool": (
        {"score.consensus.pools": ["all", "tallest"]},
        *("score", "params.yaml: score.consensus.pools: 'tallest' is no pool; pools: all, "),
    ),
    "missing external file": (
        {"score.external": ["data/external/gone.csv"]},
        "score",
        "data/external/gone.csv: no such",
    ),
    "external file without a validation document": (
        {"score.external": [EXTERNAL]},
        *("score", f"{EXTERNAL}: has no summary for validation document 't"),
    ),
    "external file named as another row": (
        {"score.external": ["data/external/lead-1.csv"]},
        *("score", "data/external/lead-1.csv: the leaderboard has a row 'lead-1' already; rename the file"),
    ),
    "row that is none": (
        {"predict.use": "bean"},
        "score",
        "params.yaml: predict.use: no row 'bean' in the leaderboard; rows: best, ",
    ),
    "shared engine for beams that sample": (
        {"decode.engine": "shared", "decode.grid": TWO_BEAM_SAMPLES},
        *("decode", "decode.engine: shared cannot serve drawn: beams that sample; use auto or generate"),
    ),
    "missing teacher": (
        {"train.distill.teacher": "./nowhere"},
        "pretrain",
        "train.distill.teacher: ./nowhere: no such",
    ),
    "no room behind solved examples": (
        {"decode.few_shot": 2, "prompt.max_summary_tokens": 360},
        *("decode", "prompt.template: its "),
    ),
}
if find_spec("kiwipiepy") is None:
    REFUSALS["tokenizer that is not installed"] = (
        {"score.tokenizer": "kiwi"},
        *("score", "params.yaml: score.tokenizer: kiwi needs the package kiwipiepy, which is not installed"),
    )
if find_spec("bitsandbytes") is None:
    REFUSALS["quantization that is not installed"] = (
        {"model.quantization": "4bit"},
        *("decode", "model.quantization: 4bit needs bitsandbytes, which is not installed"),
    )


@pytest.fixture(scope="module")
def competition(shipped, tmp_path_factory):
    """A competition of which everything up to predict has run, on a base of one layer that is not tuned."""
    folder = tmp_path_factory.mktemp("competition")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        invoke = build_competition(shipped, folder)
        untuned = {"train.method": "none", "pretrain.num_train_epochs": 1, "pretrain.n_positions": 420}
        small = {**untuned, "decode.max_new_tokens": 4, "decode.few_shot": 0, "decode.grid": {"greedy": {}}}
        for stage in ("preprocess", "pretrain", "train", "refine"):
            assert invoke(stage, **small).exit_code == 0
        valid = pd.read_parquet("data/processed/valid.parquet")
        candidates = valid[["id"]].assign(configuration="greedy", candidate=0, text="축제", tokens=2, finished=True)
        save_table(candidates, folder / "predictions/valid.parquet", CANDIDATES)
        save_json({"seconds_by_configuration": {"greedy": 1.0}}, folder / "details/decode.json")
        assert invoke("rank", **small).exit_code == 0
        (folder / "data/external").mkdir()
        for name in ("chat", "lead-1"):
            (folder / f"data/external/{name}.csv").write_text("id,summary\nx1,하나\nx2,둘\n")
        (folder / "sample.json").write_text(json.dumps([{"id": "x1", "summary": ""}, {"id": "x2", "summary": ""}]))
        yield lambda *command, **changes: invoke(*command, **{**small, **changes})


@pytest.mark.parametrize("mistake", REFUSALS)
def test_check_says_what_the_stage_would_say(competition, mistake):
    changes, stage, begins = REFUSALS[mistake]
    said = {command: competition(command, **changes) for command in ("check", stage)}
    assert {command: result.exit_code for command, result in said.items()} == {"check": 2, stage: 2}
    # the stage stops at its first mistake
    lines = {command: result.output.splitlines() for command, result in said.items()}
    assert lines[stage][-1].startswith(begins)
    assert set(lines[stage][-1:]) <= {*lines["check"]}


def test_all_mistakes_are_told_together(competition):
    changes = {}
    for name in ("sample of records as a CSV", "unknown pool", "missing external file"):
        changes |= REFUSALS[name][0]
    assert len(competition("check", **changes).output.splitlines()) == 3


def test_check_says_what_solved_examples_leave_of_the_documents(competition):
    tight = {"decode.few_shot": 2, "prompt.max_summary_tokens": 340}
    result = competition("check", **tight)
    assert result.exit_code == 0, result.output
    assert "decode.few_shot: in that row 1 of 1 validation documents are cut, from 15 to 7 tokens" in result.output
    assert "decode.few_shot" not in competition("check", **{"decode.few_shot": 0}).output


def test_parts_that_map_reduce_reads_are_counted_before_they_are(competition):
    long = {"decode.map_reduce": True, "prompt.max_document_tokens": 8}
    result = competition("check", **long)
    assert "decode.map_reduce: 1 of 1 validation documents do not fit and are first read in 3 parts" in result.output
    whole = competition("check", **{"decode.map_reduce": True}).output
    assert "decode.map_reduce: every validation document fits, so that row is greedy's" in whole
    assert "decode.map_reduce" not in competition("check").output


def test_check_says_what_special_tokens_save(competition):
    marks = {"train.method": "lora", "model.special_tokens": ["00명이 왔다", "서울에서"]}
    result = competition("check", **marks)
    assert result.exit_code == 0, result.output
    (line,) = [
        line for line in result.output.splitlines() if line.startswith("special tokens: 2 (00명이 왔다, 서울에서)")
    ]
    saved, before = map(int, re.search(r"save (\d+) of (\d+) tokens a document", line).groups())
    assert 0 < saved < before
    assert "special tokens" not in competition("check").output


def test_special_tokens_that_the_tokenizer_uses_are_refused(competition):
    for command in ("check", "preprocess"):
        result = competition(command, **{"train.method": "lora", "model.special_tokens": ["<|pad|>"]})
        assert result.exit_code == 2
        assert result.output.strip() == "model.special_tokens: '<|pad|>': the tokenizer uses it itself; leave it out"


def test_nothing_is_refused_that_runs(competition):
    assert competition("check").exit_code == 0


def test_external_summaries_of_ids_that_validation_and_test_share_are_refused(competition):
    texts = ("서울에서 축제가 열렸다.", "비가 밤새 내렸다.", "새 다리가 놓였다.", "값이 크게 올랐다.", "선수가 다쳤다.")
    rows = [(f"x{i}", text, text[:5]) for i, text in enumerate(texts, 1)]
    table = pd.DataFrame(rows, columns=["id", "text", "summary"])
    table.to_csv("shared.csv", index=False)
    table[["id", "summary"]].to_csv("data/external/shared.csv", index=False)
    # of five documents one trains, so one of x1 and x2 validates, and both are test documents
    changes = {"data.train": "shared.csv", "preprocess.valid_fraction": 0.8}
    result = competition("check", **changes, **{"score.external": ["data/external/shared.csv"]})
    assert result.exit_code == 2
    assert "data/external/shared.csv: 'x" in result.output
    assert "is a validation and a test document" in result.output


def test_teacher_of_other_tokens_is_refused(competition, tokenizer, tmp_path):
    save_model(build_tiny_model("gpt2", len(tokenizer)), tokenizer, tmp_path / "teacher")
    result = competition("check", **{"train.distill.teacher": str(tmp_path / "teacher")})
    assert result.exit_code == 2
    assert result.output.strip() == (
        f"train.distill.teacher: {tmp_path / 'teacher'}: its tokenizer is not that of the student"
    )


def test_teacher_of_another_kind_is_refused(competition, tmp_path):
    tokenizer = load_tokenizer(str(BASE), None, False)
    save_model(build_tiny_model("t5", len(tokenizer)), tokenizer, tmp_path / "teacher")
    result = competition("check", **{"train.distill.teacher": str(tmp_path / "teacher")})
    assert result.exit_code == 2
    assert result.output.strip() == (
        f"train.distill.teacher: {tmp_path / 'teacher'}: is an encoder-decoder, and the student a causal model"
    )


def test_lock_that_dvc_cannot_read_is_refused_before_it_stops_on_it(competition):
    Path("dvc.lock").write_text("")
    try:
        result = competition("check")
    finally:
        Path("dvc.lock").unlink()
    assert (result.exit_code, result.output) == (
        2,
        "dvc.lock: DVC cannot read it, as where it was killed while it wrote it; python -m pipeline mend\n",
    )


def test_folder_of_which_dvc_would_say_that_it_is_read_and_written_is_refused(competition):
    Path("dvc.yaml").write_text("stages: {}")
    try:
        result = competition("check")
    finally:
        Path("dvc.yaml").unlink()
    assert result.exit_code == 2
    assert result.output.startswith("data.folder: . and data/processed, which the stages write, lie in each other")
