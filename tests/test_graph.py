"""The graph's promises: dvc.yaml declares what stages read, and one tiny run of everything."""

import json
import re
import shlex
import subprocess
import sys

import pandas as pd
import pytest
from builders import ROOT, build_project, dump_params
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli.app import app

STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
BESIDE_THE_GRAPH = {"check", "compare", "ensemble", "experiments", "folds", "leaderboard", "mend", "preset", "sample"}


def test_commands_are_the_stages_and_what_stands_beside_the_graph():
    commands = {command.callback.__name__ for command in app.registered_commands}
    groups = {group.name for group in app.registered_groups}
    assert commands | groups == set(STAGES) | BESIDE_THE_GRAPH
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"python -m pipeline {name}"
        assert (ROOT / f"pipeline/stages/{name}.py").is_file()
        assert (ROOT / f"tests/stages/test_{name}.py").is_file()


def test_every_command_has_help_with_an_example():
    runner = CliRunner()
    names = [[name] for name in (set(STAGES) | BESIDE_THE_GRAPH) - {"leaderboard", "preset"}]
    groups = [["leaderboard", "show"], ["leaderboard", "record"], ["leaderboard", "grade"]]
    groups += [["preset", "list"], ["preset", "show"], ["preset", "apply"]]
    for command in [*names, *groups]:
        result = runner.invoke(app, [*command, "--help"])
        assert result.exit_code == 0
        assert f"Example: python -m pipeline {' '.join(command)}" in " ".join(result.output.split())


def test_help_imports_nothing_heavy():
    code = "import sys, pipeline.cli.app; print([m for m in ('torch', 'transformers', 'pandas', 'pydantic') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"


def test_run_cache_can_restore_every_stage_but_export():
    # a single uncached or persistent output switches DVC's run-cache off for its stage
    for name, stage in STAGES.items():
        cached = all(isinstance(out, str) for out in stage["outs"])
        assert cached == (name != "export")


TINY = {
    "data.limit": 60,
    "pretrain.vocab_size": 400,
    "pretrain.n_embd": 32,
    "pretrain.n_layer": 1,
    "pretrain.n_head": 2,
    "pretrain.num_train_epochs": 1,
    "train.num_train_epochs": 1,
    "prompt.max_summary_tokens": 16,
    "decode.max_new_tokens": 8,
    "decode.grid": {"greedy": {"no_repeat_ngram_size": [0, 2, 3]}},
    "rank.method": "ridge",
    "predict.fill_empty": "lead-1",
    "score.resamples": 100,
}


@pytest.fixture(scope="module")
def competition(shipped, tmp_path_factory):
    """A git repository with the code, tiny params and forty test documents, and its environment."""
    folder = tmp_path_factory.mktemp("competition")
    return folder, build_project(shipped, TINY, folder)


def run(competition, *command):
    """Runs a command in the competition; returns its output, the error stream with it."""
    folder, environment = competition
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def find_stages_run(output):
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]


def find_stale(competition, *files):
    """Stages that would run again if these files of pipeline/ changed."""
    paths = [competition[0] / "pipeline" / file for file in files]
    before = [path.read_bytes() for path in paths]
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(content + b"# changed\n")
    stale = json.loads(run(competition, "dvc", "status", "--json"))
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(content)
    return set(stale)


def check_table_of_experiments(competition):
    """The table that `make experiments` prints, after two experiments."""
    command = re.search(r"^\tdvc exp show .*$", (ROOT / "Makefile").read_text(), re.M)[0].replace("$$", "$")
    command = shlex.split(command)
    columns = run(competition, "dvc", "exp", "show", "--only-changed", "--csv").splitlines()[0].split(",")
    assert len(columns) <= 20
    folder, environment = competition
    lines = run((folder, {**environment, "COLUMNS": "120"}), *command).splitlines()
    assert max(map(len, lines)) <= 120
    header = lines[1].split()
    assert header[:6] == ["Experiment", "valid_loss", "score", "low", "high", "selected"]
    assert "lora.r" in header
    (row,) = [line for line in lines if "[rank4]" in line]
    assert json.loads((folder / "metrics/train.json").read_text())["valid_loss"] == float(row.split()[3])


def test_whole_graph_runs_and_then_nothing_is_out_of_date(competition):
    folder, _ = competition
    assert find_stages_run(run(competition, "dvc", "repro")) == list(STAGES)
    artifacts = {
        str(p.relative_to(folder))
        for d in ("metrics", "details", "plots", "predictions", "submissions", "ledger", "reports")
        for p in (folder / d).iterdir()
    }
    assert artifacts - {f"{d}/.gitignore" for d in ("details", "predictions", "ledger", "reports")} == {
        *(f"metrics/{name}.json" for name in ("preprocess", "pretrain", "train", "refine", "scores")),
        *(f"details/{name}.json" for name in ("preprocess", "pretrain", "train", "explore", "refine", "decode", "scores")),
        "metrics/leaderboard.csv", "plots/train.csv", "plots/refine.csv", "predictions/explored.parquet",
        "predictions/valid.parquet", "predictions/test.parquet",
        "predictions/selection.json", "predictions/scores.parquet", "predictions/likelihoods.parquet",
        "predictions/test_candidates.parquet",
        "submissions/submission.csv", "ledger/submissions.csv", "plots/axes.csv", "reports/report.html",
    }  # fmt: skip
    lines = (folder / "submissions/submission.csv").read_text().splitlines()
    sample = (folder / "data/sample/sample_submission.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [line.split(",")[0] for line in sample]
    assert "score 0." in run(
        competition,
        "python",
        "-m",
        "pipeline",
        "leaderboard",
        "grade",
        "submission",
        "--answers",
        "data/sample/answers.csv",
    )
    assert "lead-1" in run(competition, "python", "-m", "pipeline", "leaderboard", "show")

    assert find_stages_run(run(competition, "dvc", "repro")) == []


@pytest.mark.slow
def test_experiments_rerun_only_what_a_change_touches(competition):
    """Slow: six experiments, each of which looks at every stage."""
    folder, _ = competition
    run(competition, "dvc", "repro")
    # a change in the engine's code touches what decodes and neither training nor scores; what speaks, remembers and
    # looks ahead touches nothing
    assert find_stale(competition, "decoding/beam.py") == {"explore", "decode", "rank", "predict"}
    idle = (
        "cli/stages.py",
        "history/ledger.py",
        "preflight/check.py",
        "preflight/preset.py",
        "params/model_sections.py",
    )
    assert find_stale(competition, *idle, "errors.py", "competition/sample/article.py") == set()
    for command in ("git add -A", "git commit -q -m results"):
        run(competition, *command.split())
    before = (folder / "params.yaml").read_text().splitlines()
    ran = find_stages_run(run(competition, "dvc", "exp", "run", "-n", "rank4", "-S", "lora.r=4"))
    after = (folder / "params.yaml").read_text().splitlines()
    assert ran[:4] == ["train", "explore", "refine", "decode"]
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [("  r: 16", "  r: 4")]
    committed = json.loads(run(competition, "git", "show", "HEAD:metrics/scores.json"))["score"]
    found = json.loads((folder / "metrics/scores.json").read_text())["score"]
    compared = run(competition, "python", "-m", "pipeline", "compare", "HEAD", "rank4")
    assert f"HEAD: {committed:.4f}" in compared
    assert f"rank4: {found:.4f}" in compared
    assert "params: lora.r: 16 -> 4" in compared
    assert "params: no difference" in run(competition, "python", "-m", "pipeline", "compare", "rank4")
    shown = run(competition, "python", "-m", "pipeline", "experiments")
    assert "lora.r 16 → 4  [rank4]" in shown
    assert "rank4" in (folder / "reports/experiments.html").read_text()
    joined = run(competition, "python", "-m", "pipeline", "ensemble", "HEAD", "rank4")
    assert f"rank4: {found:.4f} by" in joined
    counts = [len(pd.read_parquet(folder / f"data/processed/{name}.parquet")) for name in ("valid", "test")]
    assert len((folder / "data/external/ensemble.csv").read_text().splitlines()) == 1 + sum(counts)
    for way in ("probabilities", "weights"):
        told = run(competition, "python", "-m", "pipeline", "ensemble", "HEAD", "rank4", "--by", way)
        assert f"{way}: 2 models decode by greedy/no_repeat_ngram_size:" in told
        assert f"rank4: {found:.4f} by" in told
        assert len((folder / "data/external/ensemble.csv").read_text().splitlines()) == 1 + sum(counts)
    (folder / "data/external/ensemble.csv").unlink()
    ran = find_stages_run(run(competition, "dvc", "exp", "run", "-S", "score.weights.rouge2=0.5"))
    assert ran[0] == "score"
    assert not {"decode", "train"} & set(ran)
    check_table_of_experiments(competition)
    # where nothing is refined, what explore and refine are told changes nothing behind them
    told = "-S", "explore.probe=7", "-S", "refine.gamma=7.0"
    assert find_stages_run(run(competition, "dvc", "exp", "run", *told)) == ["explore", "refine", "report"]
    assert find_stages_run(run(competition, "dvc", "exp", "run", "-S", "export.name=other")) == ["export", "report"]
    assert (folder / "submissions/other.csv").is_file()
    ran = find_stages_run(run(competition, "dvc", "exp", "run", "-S", "predict.use=consensus/all"))
    # export too, unless the consensus says what the configuration said
    assert ran[:2] == ["score", "predict"]
    assert '"kind": "consensus"' in (folder / "predictions/selection.json").read_text()
    assert "consensus/all" in (folder / "reports/report.html").read_text()
    # earlier params: everything but export, which is never cached, comes back from the run-cache
    (folder / "params.yaml").write_text("\n".join(before) + "\n")
    output = run(competition, "dvc", "repro")
    assert set(find_stages_run(output)) <= {"export"}
    assert "is cached - skipping run" in output


@pytest.mark.slow
def test_folds_run_and_their_consensus_can_be_submitted(competition):
    folder, _ = competition
    run(competition, "dvc", "repro")
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace("  folds:\n", "  folds: 3\n"))
    (folder / ".gitignore").write_text("__pycache__/\n.yoyak/\n")
    for command in ("git add -A", "git commit -q -m folds"):
        run(competition, *command.split())
    output = run(competition, "python", "-m", "pipeline", "folds")
    assert "fold means differ by up to" in output
    assert "60 documents" in output
    lines = (folder / "data/external/folds.csv").read_text().splitlines()
    assert len(lines) == 1 + 60 + 40
    # nothing is run again, and the table can be ranked and submitted
    assert find_stages_run(run(competition, "python", "-m", "pipeline", "folds")) == []
    path.write_text(path.read_text().replace("  external: []\n", "  external:\n  - data/external/folds.csv\n"))
    run(competition, "dvc", "exp", "run", "-S", "predict.use=folds")
    assert "folds" in (folder / "metrics/leaderboard.csv").read_text()


@pytest.mark.slow
def test_trained_model_decodes_as_generate_does(competition):
    """Slow: a graph run first, then `generate` for every document and configuration. In fp32, through the command."""
    folder, _ = competition
    run(competition, "dvc", "repro")
    grid = {
        "greedy": {"no_repeat_ngram_size": [0, 2, 3], "repetition_penalty": [1.0, 1.3], "min_new_tokens": [0, 4]},
        "beam": {
            **{"num_beams": [2, 5], "num_return_sequences": 2, "length_penalty": [-1.0, 0.5, 2.0]},
            **{"early_stopping": [True, False, "never"], "no_repeat_ngram_size": [0, 3]},
        },
    }
    values = YAML(typ="safe", pure=True).load((folder / "params.yaml").read_text())
    tables = []
    for engine in ("shared", "generate"):
        changes = {"decode.engine": engine, "decode.grid": grid, "model.precision": "fp32", "decode.max_new_tokens": 12}
        dump_params(values, changes, folder / "exact.yaml")
        run(competition, "python", "-m", "pipeline", "decode", "--params", "exact.yaml")
        tables.append(pd.read_parquet(folder / "predictions/valid.parquet"))
    assert len(tables[0]) > 400
    pd.testing.assert_frame_equal(*tables)


# what git has not seen yet, and DVC keeps no copy of
KEPT = ("-I", "submissions", "-I", "metrics", "-I", "plots")


@pytest.mark.slow
def test_any_of_five_submissions_comes_back_with_its_report(competition):
    """Slow: five runs of what stands behind decode.

    A run of `dvc repro` that `dvc exp save` keeps, three experiments, and one that is committed; by `dvc exp apply`, and by
    `git checkout` with `dvc checkout`.
    """
    folder, _ = competition
    run(competition, "dvc", "repro")
    files = ("submissions/submission.csv", "reports/report.html", "metrics/scores.json", "predictions/selection.json")

    def read():
        return [(folder / name).read_bytes() for name in files]

    def commit(message):
        run(competition, "git", "add", "-A")
        run(competition, "git", "commit", "-q", "-m", message)
        return run(competition, "git", "rev-parse", "HEAD").strip()

    branch = run(competition, "git", "branch", "--show-current").strip()
    run(competition, "dvc", "exp", "save", "-f", "-n", "undo-first", *KEPT)
    made, committed = {"undo-first": read()}, {}
    for name in ("lead-1", "tail-1", "lead-3"):
        run(competition, "dvc", "exp", "run", "-n", f"undo-{name}", "-S", f"predict.use={name}")
        made[f"undo-{name}"] = read()
    committed[commit("fourth")] = read()
    run(competition, "dvc", "exp", "run", "-n", "undo-quoted", "-S", "export.format.quoting=all")
    made["undo-quoted"] = read()
    assert len({content[0] for content in (*made.values(), *committed.values())}) == 5
    ledger = (folder / "ledger/submissions.csv").read_bytes()
    for name, content in made.items():
        run(competition, "dvc", "exp", "apply", name)
        assert read() == content
        assert find_stages_run(run(competition, "dvc", "repro")) == []
    run(competition, "git", "stash")
    for revision, content in committed.items():
        run(competition, "git", "checkout", "-q", revision)
        run(competition, "dvc", "checkout")
        assert read() == content
        assert find_stages_run(run(competition, "dvc", "repro")) == []
    run(competition, "git", "checkout", "-q", branch)
    # what the board answered is taken back by none of it
    assert (folder / "ledger/submissions.csv").read_bytes() == ledger
