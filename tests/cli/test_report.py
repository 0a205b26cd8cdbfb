"""report, the command: reads what a run left, also where some of it is missing, and the ledger beside the graph."""

import pytest
from builders import build_results
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.history.ledger import render_ledger
from pipeline.paths import AXES, DETAILS, LEADERBOARD, LEDGER, PLOTS, PROCESSED, REPORT, SELECTION, VALID_SCORES
from pipeline.tables import LABELLED, SCORES, save_bytes, save_csv, save_json, save_table


@pytest.fixture
def run(shipped, tmp_path, monkeypatch):
    """The command, where a run's files lie."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(shipped, file)
    results = build_results()
    save_csv(results.board, LEADERBOARD)
    save_table(results.scores, VALID_SCORES, SCORES)
    save_table(results.examples, PROCESSED / "valid.parquet", LABELLED)
    save_json(results.selection, SELECTION)
    monkeypatch.setattr("pipeline.cli.report.describe_environment", lambda: {"device": "a small one"})
    return lambda: CliRunner().invoke(app, ["report"])


def test_report_is_written_with_the_axes_beside_it(run):
    from builders import build_rows

    save_csv(build_results().history, PLOTS / "train.csv")
    save_csv(build_results().removed.reindex([0]).fillna("near_duplicates"), PROCESSED / "removed.csv")
    save_json({"steps": 4321}, DETAILS / "train.json")
    save_bytes(b"id,summary\n", REPORT.parent.parent / "submissions/submission.csv")
    save_bytes(render_ledger(build_rows((0.4, 0.3), names=["a try"])), LEDGER)
    result = run()
    assert result.exit_code == 0, result.output
    assert result.output.startswith("reports/report.html: ")
    html = REPORT.read_text()
    for text in ("4,321", "near_duplicates", "submissions/submission.csv", "a try", "a small one"):
        assert text in html
    assert AXES.read_text().splitlines()[1].startswith("greedy no_repeat_ngram_size 0,greedy,")


def test_what_a_run_has_not_left_is_no_obstacle_and_a_damaged_ledger_is_told(run):
    save_bytes(b"no,ledger\n1,2\n", LEDGER)
    result = run()
    assert result.exit_code == 0, result.output
    assert "ledger/submissions.csv: has column" in REPORT.read_text()
    assert LEDGER.read_bytes() == b"no,ledger\n1,2\n"


def test_without_a_leaderboard_nothing_is_written(run):
    LEADERBOARD.unlink()
    result = run()
    assert result.exit_code == 2
    assert "metrics/leaderboard.csv: no such file" in result.output
    assert not REPORT.exists()


def test_table_without_its_columns_is_refused_by_name(run):
    save_bytes(b"step,loss\n1,2\n", PLOTS / "train.csv")
    result = run()
    assert result.exit_code == 2
    assert "plots/train.csv: has no column 'learning_rate'" in result.output


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (PLOTS / "train.csv", b"", "is not what its stage writes"),
        (
            PLOTS / "train.csv",
            b"step,loss,learning_rate\n<<<<<<< HEAD\n1,2,3\n",
            "column 'step' holds what is no number",
        ),
        (LEADERBOARD, b"", "is not what its stage writes"),
        (LEADERBOARD, b"<<<<<<< HEAD\nname,kind\n", "has no column 'name'"),
        (LEADERBOARD, b"name,kind,score\n", "has no column 'difference'"),
        (LEADERBOARD, None, "is not what its stage writes"),
    ],
)
def test_what_git_leaves_of_a_merge_is_refused_by_name(run, path, content, said):
    if content is None:
        lines = path.read_bytes().splitlines(keepends=True)
        content = b"".join([lines[0], b"<<<<<<< HEAD\n", *lines[1:], b"=======\n", *lines[1:], b">>>>>>> other\n"])
    save_bytes(content, path)
    result = run()
    assert result.exit_code == 2
    assert f"{path}: {said}" in result.output


def test_ids_of_removed_documents_stay_as_they_are(run):
    save_bytes(b"id,rule,copy_of,text\n00012,exact_duplicates,00007,NA\n", PROCESSED / "removed.csv")
    assert run().exit_code == 0
    html = REPORT.read_text()
    assert "00012" in html
    assert "00007" in html


def test_report_says_with_what_it_is_written():
    from pipeline.cli.report import describe_environment

    found = describe_environment()
    assert {"device", "cores", "threads", "system", "Python", "torch", "transformers"} <= found.keys()
    assert int(found["threads"]) >= 1
