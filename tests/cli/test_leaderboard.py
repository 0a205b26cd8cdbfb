"""leaderboard and export: the board's answer lands on the file that was uploaded, and a ledger never costs a submission."""

import csv

import pandas as pd
import pytest
from builders import dump_params
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.paths import LEDGER
from pipeline.tables import PREDICTIONS, save_json, save_table

SCALE = {"tokenizer": "mecab (1)", "weights": {"rouge1": 1.0}, "split": "c0ffee"}


@pytest.fixture
def invoke(shipped, tmp_path, monkeypatch):
    """Runs a command in a folder with two test documents."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_submission.csv").write_text("id,summary\nx2,\nx1,\n")
    (tmp_path / "test.csv").write_text("id,text\nx1,하나\nx2,둘\n")
    files = {"data.folder": "."} | {f"data.{name}": f"{name}.csv" for name in ("test", "sample_submission")}

    def run(*command, **changes):
        dump_params(shipped, {**files, **changes}, tmp_path / "params.yaml")
        return CliRunner().invoke(app, list(command), catch_exceptions=False)

    return run


@pytest.fixture
def export(invoke, tmp_path):
    """Exports a summary that got a validation score, as a run with these results does."""

    def run(summary, score, scale=SCALE, **changes):
        predictions = pd.DataFrame({"id": ["x1", "x2"], "summary": [summary, "둘"]})
        save_table(predictions, tmp_path / "predictions/test.parquet", PREDICTIONS)
        save_json({"score": score, "low": score - 0.1, "high": score + 0.1}, tmp_path / "metrics/scores.json")
        save_json({"scale": scale}, tmp_path / "details/scores.json")
        save_json({"name": f"row-{summary}", "kind": "configuration"}, tmp_path / "predictions/selection.json")
        result = invoke("export", **changes)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def read_ledger(folder):
    with (folder / LEDGER).open(newline="") as file:
        return list(csv.DictReader(file))


def test_answer_goes_to_the_file_that_lies_there_now(export, invoke, tmp_path):
    export("가", 0.5)
    export("나", 0.6)
    assert "listed already" in export("가", 0.5)
    result = invoke("leaderboard", "record", "submission", "--public", "0.41")
    assert result.exit_code == 0, result.output
    assert [(row["row"], row["public"]) for row in read_ledger(tmp_path)] == [("row-가", "0.41"), ("row-나", "")]
    assert "row-가" in result.output
    assert "validation 0.5" in result.output
    assert read_ledger(tmp_path)[0]["time"][:16] in result.output


def test_file_that_no_row_lists_gets_no_answer(export, invoke, tmp_path):
    export("가", 0.5)
    (tmp_path / "submissions/submission.csv").write_text("id,summary\nx2,손으로\nx1,고친 것\n")
    before = (tmp_path / LEDGER).read_bytes()
    result = invoke("leaderboard", "record", "submission", "--public", "0.41")
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
    assert result.output.startswith("submissions/submission.csv: ")
    assert (tmp_path / LEDGER).read_bytes() == before


def test_scores_on_different_scales_are_shown_and_not_ranked_together(export, invoke, tmp_path):
    export("가", 0.47, SCALE | {"tokenizer": "whitespace (1)"})
    export("나", 0.45, SCALE | {"tokenizer": "whitespace (1)"})
    export("다", 0.79)
    export("라", 0.48, SCALE | {"tokenizer": "whitespace (1)"})
    assert [row["tokenizer"] for row in read_ledger(tmp_path)[1:3]] == ["whitespace (1)", "mecab (1)"]
    assert (read_ledger(tmp_path)[0]["weights"], read_ledger(tmp_path)[0]["split"]) == ("rouge1 1", "c0ffee")
    save_json({"name": "x"}, tmp_path / "predictions/selection.json")
    shown = invoke("leaderboard", "show")
    assert shown.exit_code == 0, shown.output
    assert "for the final: submission (" in shown.output
    assert "row-라" in shown.output.splitlines()[-1]
    assert "left out: submission (scale B: tokenizer mecab (1), not whitespace (1))" in shown.output


@pytest.mark.parametrize("damage", ["comma", "garbage", "folder"])
def test_damaged_ledger_costs_no_submission_and_is_left_as_it_is(export, invoke, tmp_path, damage):
    export("가", 0.5)
    ledger = tmp_path / LEDGER
    bad = {"comma": ledger.read_text().rstrip("\n")[:-1] + '"0,48",\n', "garbage": "\x00\x01", "folder": ""}[damage]
    if damage == "folder":
        ledger.unlink()
        ledger.parent.rename(tmp_path / "elsewhere")
        ledger.parent.write_text("in the way")
    else:
        ledger.write_text(bad)
    output = export("나", 0.6)
    assert (tmp_path / "submissions/submission.csv").read_text() == "id,summary\nx2,둘\nx1,나\n"
    written, warning = output.splitlines()
    assert written == "submissions/submission.csv: 2 summaries"
    assert warning.startswith("ledger")
    assert "the submission is written, but not listed" in warning
    if damage == "comma":
        assert "row 2: public: '0,48' is not a number" in warning
    assert damage == "folder" or ledger.read_text() == bad


def test_ledger_from_excel_is_gone_on_with(export, tmp_path):
    export("가", 0.5)
    ledger = tmp_path / LEDGER
    ledger.write_bytes(b"\xef\xbb\xbf" + ledger.read_bytes().replace(b"\n", b"\r\n"))
    export("나", 0.6)
    assert [row["row"] for row in read_ledger(tmp_path)] == ["row-가", "row-나"]


def test_brackets_in_a_cell_are_its_own(capsys):
    from pipeline.cli.leaderboard import print_table
    from pipeline.history.leaderboard import build_table

    table = build_table(False, "name", "changed")
    table.add_row("gpt[v2]", "prompt.template {text} → [INST] {text} [/INST]")
    print_table(table)
    said = capsys.readouterr().out
    assert "gpt[v2]" in said
    assert "[INST] {text} [/INST]" in said
