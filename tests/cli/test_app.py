"""Bad input at the command line: one clear message, exit status 2, no traceback, nothing written."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from builders import ROOT, SAMPLE, TEST, TRAIN, build_competition
from typer.testing import CliRunner

from pipeline.cli.app import app


@pytest.fixture
def competition(shipped, tmp_path, monkeypatch):
    """Five training rows, two test rows, and tiny params, in the current folder; returns a command runner."""
    monkeypatch.chdir(tmp_path)
    return build_competition(shipped, tmp_path)


def list_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_check_says_what_a_run_will_do_and_writes_nothing(competition, tmp_path):
    result = competition("check")
    assert result.exit_code == 0, result.output
    assert "data: 4 train, 1 validation, 2 test documents" in result.output
    assert list_files(tmp_path) == {"params.yaml", "train.csv", "test.csv", "sample_submission.csv"}


def test_preprocess_writes_its_tables_and_metrics(competition, tmp_path):
    assert competition("preprocess").exit_code == 0
    names = {f"data/processed/{name}.parquet" for name in ("train", "valid", "test")}
    assert list_files(tmp_path) >= {*names, "metrics/preprocess.json"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train.csv", None, "train.csv: no such file"),
        ("train.csv", "directory", "train.csv: holds no file of .csv, .json, .jsonl, .ndjson, .parquet, .tsv, .txt"),
        ("train.csv", b"", "train.csv: is empty (0 bytes)"),
        ("train.csv", b"id,text,summary\n", "train.csv: has a header and no rows"),
        ("train.csv", (TRAIN + "t6,본문\0,요약\n").encode(), "train.csv: line 7: holds a NUL character"),
        (
            "sample_submission.csv",
            b'{"id": "x1\\ud800"}\n{"id": "x2"}\n',
            "sample_submission.csv: record 1: 'id' holds half",
        ),
        ("train.csv", b"\x89PNG\r\n\x1a\n\x00", "train.csv: is a picture, not a file of documents"),
        (
            "train.csv",
            TRAIN.encode() + b"\xff\xff",
            "train.csv: is neither utf-8 nor utf-16 nor cp949 (line 7: byte 0xff",
        ),
        ("train.csv", TRAIN.replace("summary", "sumary").encode(), "train.csv: has no column 'summary'"),
        ("train.csv", TRAIN.replace("t2", "t1").encode(), "train.csv: line 3: id 't1' stands in line 2 already"),
        ("train.csv", (TRAIN + "t6,본문,\n").encode(), "train.csv: line 7: id 't6' has no summary"),
        ("train.csv", (TRAIN + "t6,본문,nan\n").encode(), "train.csv: line 7: id 't6' has no summary"),
        (
            "train.csv",
            "id,text,summary\nt1,같은 글,요약\nt2,같은 글,요약\n".encode(),
            "at least two different documents",
        ),
        ("train.csv", (TRAIN + f"t6,본문,{'긴 요약 ' * 400}\n").encode(), "id 't6': its summary of"),
        ("test.csv", b"id,text\nx1,\nx2,a\n", "test.csv: line 2: id 'x1' has no text"),
        ("test.csv", b"id,text\nx1,a\n", "sample_submission.csv: id 'x2' is not in test.csv"),
        ("test.csv", (TEST + "x3,더\n").encode(), "test.csv: id 'x3' is not in sample_submission.csv"),
        ("sample_submission.csv", b"id,summary,extra\nx1,,\nx2,,\n", "sample_submission.csv: column 'extra'"),
        ("sample_submission.csv", b"id,summary\nx1,\nx1,\n", "sample_submission.csv: line 3: id 'x1' stands"),
    ],
)
@pytest.mark.parametrize("command", ["check", "preprocess"])
def test_bad_files_are_refused(competition, tmp_path, command, file, content, message):
    (tmp_path / file).unlink()
    if content == "directory":
        (tmp_path / file).mkdir()
    elif content is not None:
        (tmp_path / file).write_bytes(content)
    result = competition(command)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert list_files(tmp_path) <= {"params.yaml", "train.csv", "test.csv", "sample_submission.csv"}


def test_three_missing_files_are_named_together(competition, tmp_path):
    for name in ("train", "test", "sample_submission"):
        (tmp_path / f"{name}.csv").unlink()
    result = competition("check")
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora.rr": 8}, "params.yaml: lora.rr: not a known key (did you mean r?)"),
        ({"decode.grid": {4: {"num_beams": 4}}}, "params.yaml: decode.grid.4: a key is text"),
        ({"train.learning_rate": "high"}, "params.yaml: train.learning_rate: input should be a valid number"),
        ({"model.name": "./nowhere"}, "model.name: ./nowhere: no such folder"),
        ({"model.name": "nobody/no-such-model"}, "model.name: nobody/no-such-model: cannot be loaded"),
        ({"model.precision": "fp16"}, "model.precision: fp16 is for GPUs"),
        ({"lora.target_modules": ["no_such"]}, "lora.target_modules: ['no_such']: Target modules"),
        ({"prompt.template": "긴 틀 " * 200 + "{text}"}, "prompt.template: its"),
    ],
)
def test_bad_params_are_refused_by_check(competition, tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr("pipeline.preflight.check.select_device", lambda: "cpu")
    result = competition("check", **changes)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_model_folder_without_tokenizer_is_refused_by_check(competition, tokenizer, tmp_path):
    from builders import build_tiny_model

    build_tiny_model("gpt2", len(tokenizer)).save_pretrained(tmp_path / "m")
    result = competition("check", **{"model.name": "./m"})
    assert result.exit_code == 2
    assert "model.name: ./m: no tokenizer could be loaded: the folder has none of" in result.output


def test_model_folder_without_weights_is_refused_by_check(competition, tokenizer, tmp_path):
    from builders import build_tiny_model

    build_tiny_model("gpt2", len(tokenizer)).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    (tmp_path / "m/model.safetensors").unlink()
    result = competition("check", **{"model.name": "./m"})
    assert result.exit_code == 2
    assert "model.name: ./m: the folder has no weights (model.safetensors or pytorch_model.bin)" in result.output


def test_tokenizer_larger_than_the_embedding_is_refused_by_check(competition, tokenizer, tmp_path):
    from builders import build_tiny_model

    build_tiny_model("gpt2", len(tokenizer) - 1).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    result = competition("check", **{"model.name": "./m"})
    assert result.exit_code == 2
    assert (
        result.output == f"model.name: ./m: {len(tokenizer)} tokens, but the model embeds only {len(tokenizer) - 1}\n"
    )


def test_check_warns_of_a_warm_up_longer_than_the_run(competition):
    result = competition("check", **{"train.warmup_steps": 50, "train.num_train_epochs": 1})
    assert "train.warmup_steps 50 is not below the run's 1 steps" in result.output


def test_missing_params_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 2
    assert result.output.strip() == "params.yaml: no such file"


@pytest.mark.parametrize("stage", ["pretrain", "train", "decode", "score", "predict", "export"])
def test_stage_before_its_turn_is_refused(competition, stage):
    result = competition(stage)
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert "no such file" in result.output or "run the pretrain stage first" in result.output


def test_export_that_refuses_leaves_the_last_good_submission(competition, tmp_path):
    import pandas as pd

    from pipeline.tables import PREDICTIONS, save_table

    good = pd.DataFrame({"id": ["x1", "x2"], "summary": ["하나", "둘"]})
    save_table(good, tmp_path / "predictions/test.parquet", PREDICTIONS)
    assert competition("export").exit_code == 0
    assert (tmp_path / "submissions/submission.csv").read_text() == "id,summary\nx2,둘\nx1,하나\n"
    save_table(good.assign(summary=["하나", ""]), tmp_path / "predictions/test.parquet", PREDICTIONS)
    result = competition("export")
    assert result.exit_code == 2
    assert "id 'x2' has an empty summary" in result.output
    assert (tmp_path / "submissions/submission.csv").read_text() == "id,summary\nx2,둘\nx1,하나\n"


def test_full_disk_is_one_message(competition, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device", str(tmp_path / "data/processed/train.parquet"))

    monkeypatch.setattr("os.fsync", refuse)
    result = competition("preprocess")
    assert result.exit_code == 2
    assert "No space left on device" in result.output
    assert not list((tmp_path / "data/processed").iterdir())


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_stop_is_one_line_and_its_own_status(competition, tmp_path, monkeypatch, number, name):
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr("os.fsync", lambda *_: os.kill(os.getpid(), number))
    result = competition("preprocess")
    assert result.exit_code == 128 + number
    assert result.stderr.splitlines() == [f"stopped by {name}; no file is half-written, and the same command goes on"]
    assert not list((tmp_path / "data/processed").iterdir())
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_grade_refuses_answers_of_another_competition(competition, tmp_path):
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions/a.csv").write_text("id,summary\nx1,하나\n")
    (tmp_path / "answers.csv").write_text("id,summary\nx9,하나\n")
    result = competition("leaderboard", "grade", "a", "--answers", "answers.csv")
    assert result.exit_code == 2
    assert "2 ids stand in only one of them, first 'x1'" in result.output


def grade(competition, tmp_path, submission, answers, **changes):
    (tmp_path / "submissions").mkdir(exist_ok=True)
    (tmp_path / f"submissions/a.{changes.get('export.format.suffix', 'csv')}").write_bytes(submission)
    (tmp_path / "answers").write_bytes(answers)
    return competition("leaderboard", "grade", "a", "--answers", "answers", **changes)


def test_grade_takes_the_best_of_several_references(competition, tmp_path):
    answers = '[{"id": "x1", "output": ["전혀 다른 글", "축제에 왔다"]}, {"id": "x2", "output": "축제에 왔다"}]'
    result = grade(competition, tmp_path, "id,summary\nx1,축제에 왔다\nx2,축제에 왔다\n".encode(), answers.encode())
    assert result.exit_code == 0
    assert "score 1.0000" in result.output


@pytest.mark.parametrize("export", ["sample", "utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("answers", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("data", ["utf-8", "cp949", "utf-16"])
def test_grade_reads_what_was_exported(competition, tmp_path, export, answers, data):
    import pandas as pd

    from pipeline.tables import PREDICTIONS, save_table

    for name, content in (("test", TEST), ("sample_submission", SAMPLE)):
        (tmp_path / f"{name}.csv").write_text(content, encoding=data)
    good = pd.DataFrame({"id": ["x1", "x2"], "summary": ["축제에 왔다", "둘이 왔다"]})
    save_table(good, tmp_path / "predictions/test.parquet", PREDICTIONS)
    changes = {"data.encoding": data, "export.format.encoding": export}
    result = competition("export", **changes)
    assert result.exit_code == 0, result.output
    (tmp_path / "answers").write_text("id,summary\nx1,축제에 왔다\nx2,둘이 왔다\n", encoding=answers)
    result = competition("leaderboard", "grade", "submission", "--answers", "answers", **changes)
    assert result.exit_code == 0, result.output
    assert "score 1.0000" in result.output


@pytest.mark.parametrize("broken", ["submission", "answers"])
def test_grade_does_not_advise_on_the_encoding_of_data(competition, tmp_path, broken):
    good = "id,summary\nx1,하나\n".encode()
    files = {"submission": good, "answers": good, broken: good + b"\xff\xff"}
    result = grade(competition, tmp_path, **files)
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert "is neither utf-8 nor utf-16 nor cp949" in result.output
    assert "data.encoding" not in result.output


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
def test_grade_refuses_characters_that_no_text_has(competition, tmp_path, text):
    records = f'[{{"id": "x1", "summary": "하나{text}둘"}}]'.encode()
    for files in ((records, "id,summary\nx1,하나\n".encode()), ("id,summary\nx1,하나\n".encode(), records)):
        result = grade(competition, tmp_path, *files)
        assert result.exit_code == 2
        assert len(result.output.splitlines()) == 1
        assert "record 1: id 'x1': 'summary' holds" in result.output


def test_mark_of_broken_bytes_in_a_document_does_not_block_its_baseline(competition, tmp_path):
    from pipeline.tables import save_json

    (tmp_path / "test.csv").write_text("id,text\nx1,깨진 \ufffd 글이다. 둘째다.\nx2,<s>취소선</s>이다. 둘째다.\n")
    assert competition("preprocess").exit_code == 0
    save_json({"name": "lead-1", "kind": "baseline"}, tmp_path / "predictions/selection.json")
    assert competition("predict").exit_code == 0
    result = competition("export")
    assert result.exit_code == 0, result.output
    expected = "id,summary\nx2,<s>취소선</s>이다.\nx1,깨진 \ufffd 글이다.\n"
    assert (tmp_path / "submissions/submission.csv").read_text() == expected


def test_sample_command_rebuilds_the_committed_competition(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["sample"]).exit_code == 0
    for path in (ROOT / "data/sample").glob("*.csv"):
        assert (tmp_path / "data/sample" / path.name).read_bytes() == path.read_bytes()
    shutil.rmtree(tmp_path / "data")


def test_external_summaries_are_submitted_only_as_they_were_scored(competition, tmp_path):
    from hashlib import sha256

    from pipeline.tables import save_json

    assert competition("preprocess").exit_code == 0
    file = tmp_path / "data/external/chat.csv"
    file.parent.mkdir()
    file.write_text("id,summary\nx1,하나\nx2,둘\n")
    chosen = {"name": "chat", "kind": "external", "file": "data/external/chat.csv"}
    save_json({**chosen, "sha256": sha256(file.read_bytes()).hexdigest()}, tmp_path / "predictions/selection.json")
    assert competition("predict").exit_code == 0
    assert competition("export").exit_code == 0
    assert (tmp_path / "submissions/submission.csv").read_text() == "id,summary\nx2,둘\nx1,하나\n"
    file.write_text("id,summary\nx1,셋\nx2,넷\n")
    result = competition("predict")
    assert result.exit_code == 2
    assert result.output.strip() == (
        "data/external/chat.csv: is not the file that was scored any more; run the score stage again"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score.external": ["/tmp/chat.csv"]}, "score.external: /tmp/chat.csv is not a .csv file in data/external/"),
        ({"score.weights": {"rogue1": 1.0}}, "score.weights: rogue1 is not a metric (known: rouge1, "),
        ({"score.extra_metrics": ["rouge9"]}, "score.extra_metrics: rouge9 is not a metric"),
        ({"score.consensus.pools": ["top 3"]}, "score.consensus.pools.0: string should match pattern"),
        ({"score.tokenizer": "kkma"}, "score.tokenizer: input should be 'mecab', 'whitespace', 'character' or 'kiwi'"),
    ],
)
def test_bad_score_params_are_refused(competition, changes, message):
    result = competition("score", **changes)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_export_lists_its_submission_and_the_board_answers(competition, tmp_path):
    import pandas as pd

    from pipeline.history.ledger import parse_ledger
    from pipeline.tables import PREDICTIONS, save_json, save_table

    good = pd.DataFrame({"id": ["x1", "x2"], "summary": ["하나", "둘"]})
    save_table(good, tmp_path / "predictions/test.parquet", PREDICTIONS)
    save_json({"score": 0.5, "low": 0.4, "high": 0.6}, tmp_path / "metrics/scores.json")
    save_json({"name": "greedy", "kind": "configuration"}, tmp_path / "predictions/selection.json")
    assert competition("export").exit_code == 0
    again = competition("export", **{"export.name": "again"})
    assert "the same content is listed already, as submission" in again.output
    assert competition("leaderboard", "record", "submission", "--public", "0.4835").exit_code == 0
    rows = parse_ledger((tmp_path / "ledger/submissions.csv").read_bytes(), "")
    assert [row["name"] for row in rows] == ["submission"]
    assert (rows[0]["row"], rows[0]["validation"], rows[0]["validation_low"]) == ("greedy", "0.5", "0.4")
    assert (rows[0]["public"], rows[0]["private"]) == ("0.4835", "")
    assert len(rows[0]["sha256"]) == 64
    shown = competition("leaderboard", "show").output
    assert "0.5000 (0.400 … 0.600)" in shown
    assert "for the final: submission" in shown
    result = competition("leaderboard", "record", "other", "--public", "1")
    assert result.exit_code == 2
    assert result.output.strip().endswith("no submission 'other'; submissions: submission")


def test_submission_cannot_take_the_ledgers_place(competition):
    result = competition("export", **{"export.name": "ledger"})
    assert result.exit_code == 2
    assert "export.name: submissions/ledger.csv was the history of submissions" in result.output


def test_test_documents_are_decoded_by_the_engine_that_decoded_validation(competition, tmp_path, monkeypatch):
    from pipeline.tables import save_json

    assert competition("preprocess").exit_code == 0
    chosen = {"name": "greedy", "kind": "configuration", "engine": "generate", "settings": {"max_new_tokens": 4}}
    save_json(chosen, tmp_path / "predictions/selection.json")
    asked = []
    monkeypatch.setattr("pipeline.cli.results.ModelFiles", lambda *args: asked.append(args[1:]) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        competition("predict", **{"predict.batch_size": 3})
    assert asked == [(3, "generate")]


def test_ctrl_c_at_any_time_shows_no_traceback(tmp_path):
    for pause in (0.05, 0.1, 0.2, 0.4):
        command = [sys.executable, "-m", "pipeline", "export"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
        # Python itself, in its first moments, may not hear yet, or say more than it should
        assert "pipeline/" not in said


def test_reader_that_has_read_enough_is_no_mistake():
    command = [sys.executable, "-m", "pipeline", "preset", "list"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == ("", 1)
