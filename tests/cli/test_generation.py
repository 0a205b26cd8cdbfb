"""task: generation from files to a folder of texts, through the commands, on a base of one layer."""

import json

import pandas as pd
import pytest
from builders import build_competition

TASK = {
    **{"task": "generation", "prompt.template": "{text}", "decode.few_shot": 0, "data.summary_column": "text"},
    **{"prompt.max_summary_tokens": 16, "decode.max_new_tokens": 16, "pretrain.num_train_epochs": 1},
    **{"train.num_train_epochs": 1, "train.warmup_steps": 0, "generation.block_size": 32, "score.resamples": 100},
    "preprocess.valid_fraction": 0.4,
    "decode.grid": {
        "greedy": {"min_new_tokens": 4},
        "nucleus": {"do_sample": True, "top_p": 0.9, "num_return_sequences": 2, "min_new_tokens": 4},
    },
    "predict.use": "nucleus",
}
PLACES = ("서울", "부산", "대구", "광주", "인천")
TEXTS = {
    f"t{i}": f"{place}에서 {i}일 축제가 열렸다.\n시민 {i}00명이 왔다. 날씨가 맑았다."
    for i, place in enumerate(PLACES, 1)
}


@pytest.fixture
def invoke(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path / "scratch"))
    invoke = build_competition(shipped, tmp_path)
    texts, openings = pd.Series(TEXTS), pd.Series({"x/1": "제주에서 축제가", "x2": "울산에서 축제가"})
    texts.rename_axis("id").rename("text").to_csv("train.csv")
    openings.rename_axis("id").rename("text").to_csv("test.csv")
    openings[::-1].map(lambda _: "").rename_axis("id").rename("text").to_csv("sample_submission.csv")
    return lambda *command, **changes: invoke(*command, **{**TASK, **changes})


def test_openings_are_continued_from_the_files_to_a_folder_of_texts(invoke, tmp_path):
    checked = invoke("check")
    assert checked.exit_code == 0, checked.output
    assert "valid: an opening has" in checked.output
    assert "memory: train about" in checked.output
    for stage in ("preprocess", "pretrain", "train", "explore", "refine", "decode", "score", "predict"):
        result = invoke(stage)
        assert result.exit_code == 0, result.output
    valid = pd.read_parquet("data/processed/valid.parquet")
    assert [text + rest[0] for text, rest in zip(valid["text"], valid["summaries"], strict=True)] == [
        TEXTS[name] for name in valid["id"]
    ]
    candidates = pd.read_parquet("predictions/valid.parquet")
    assert candidates["configuration"].unique().tolist() == ["greedy", "nucleus", "untuned", "human"]
    assert candidates["nats"].gt(0).all()
    assert json.loads((tmp_path / "metrics/scores.json").read_text())["selected"] == "nucleus"
    assert "human" in invoke("leaderboard", "show").output
    written = pd.read_parquet("predictions/test.parquet").set_index("id")["summary"]
    # the last good submission's folder goes as a whole
    (tmp_path / "submissions/submission").mkdir(parents=True)
    (tmp_path / "submissions/submission/old.txt").write_text("old")
    exported = invoke("export")
    assert "2 texts, and a file of each beside it" in exported.output
    texts = {path.name: path.read_text() for path in (tmp_path / "submissions/submission").iterdir()}
    assert texts == {
        "x%2F1.txt": "제주에서 축제가" + written["x/1"] + "\n",
        "x2.txt": "울산에서 축제가" + written["x2"] + "\n",
    }
    rows = pd.read_csv("submissions/submission.csv")
    assert rows["id"].tolist() == ["x2", "x/1"]
    assert rows["text"].tolist() == [" ".join(texts[name].split()) for name in ("x2.txt", "x%2F1.txt")]
    invoke("export", **{"generation.include_opening": False})
    assert (tmp_path / "submissions/submission/x2.txt").read_text() == written["x2"].strip() + "\n"


def test_training_file_needs_no_summaries_and_no_row_without_text(invoke, tmp_path):
    (tmp_path / "train.csv").write_text("id,text\na,가 나\nb,\nc,다 라\n")
    refused = invoke("preprocess")
    assert refused.exit_code == 2
    assert "train.csv: line 3: id 'b' has no text" in refused.output
    assert not (tmp_path / "data/processed").exists()
    assert invoke("preprocess", **{"preprocess.clean.empty_summaries": True}).exit_code == 0


def test_base_that_cannot_continue_is_refused_by_name(invoke, tokenizer, tmp_path):
    from builders import build_tiny_model

    from pipeline.models.base import save_model

    save_model(build_tiny_model("bart", len(tokenizer)), tokenizer, tmp_path / "bart")
    refused = invoke("check", **{"model.name": str(tmp_path / "bart")})
    assert refused.exit_code == 2
    assert "task: generation needs a causal model; model.name is an encoder-decoder" in refused.output
