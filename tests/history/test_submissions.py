"""Submissions are listed once, and none is lost, whatever git and DVC do to the folder."""

import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from builders import ROOT

from pipeline.errors import InputError
from pipeline.history.ledger import COLUMNS, parse_ledger, render_ledger
from pipeline.history.submissions import append_to_ledger, find_tracked_ledger, record_answers
from pipeline.paths import LEDGER, TRACKED_LEDGER

APPEND = """
import sys
from pathlib import Path
from pipeline.history.submissions import append_to_ledger
from pipeline.params.reading import parse_params
params = parse_params(Path("params.yaml").read_text())
while not Path("go").exists():
    pass
for i in range(8):
    append_to_ledger(f"{sys.argv[1]}-{i}", f"{sys.argv[1]}-{i}".encode(), params)
append_to_ledger("same", b"same", params)
"""


def test_concurrent_appends_lose_nothing_and_list_nothing_twice(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(i)], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
        )
        for i in range(3)
    ]
    time.sleep(0.5)
    (tmp_path / "go").touch()
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    rows = parse_ledger((tmp_path / LEDGER).read_bytes(), "ledger.csv")
    assert sorted(row["name"] for row in rows) == sorted([*(f"{i}-{j}" for i in range(3) for j in range(8)), "same"])
    assert sorted(os.listdir(tmp_path / LEDGER.parent)) == [".gitignore", LEDGER.name]


@pytest.mark.parametrize("place", [".dvc/tmp/exps/tmp1", ".dvc/tmp/exps/standalone/tmp1", "."])
def test_experiment_in_a_copy_is_listed_in_the_projects_own_ledger(place, make_params, tmp_path, monkeypatch):
    copy = tmp_path / place
    copy.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(copy)
    append_to_ledger("queued", b"content", make_params())
    rows = parse_ledger((tmp_path / LEDGER).read_bytes(), "ledger.csv")
    assert [row["name"] for row in rows] == ["queued"]
    assert place == "." or not (copy / LEDGER.parent).exists()


# a graph of one stage: what export does, without a model
GRAPH = {
    "dvc.yaml": """
stages:
  export:
    cmd: python export.py
    params: [seed]
    outs:
      - submissions/submission.csv: {cache: false, persist: true}
""",
    "export.py": """
from pathlib import Path
from pipeline.history.submissions import append_to_ledger
from pipeline.params.reading import parse_params

params = parse_params(Path("params.yaml").read_text())
content = f"id,summary\\na,{params.seed}\\n"
Path("submissions").mkdir(exist_ok=True)
Path("submissions/submission.csv").write_text(content)
append_to_ledger("submission", content.encode(), params)
""",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository of git and DVC with one submission that is committed; gives a runner of commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    settings = {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        settings |= {f"GIT_{role}_NAME": "t", f"GIT_{role}_EMAIL": "t@t"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name, content in GRAPH.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())

    def run(command):
        done = subprocess.run(command.split(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    for command in ("git init -q -b main", "dvc init -q", "dvc repro -q", "git add -A", "git commit -q -m start"):
        run(command)
    return run


def hash_submission(seed):
    return sha256(f"id,summary\na,{seed}\n".encode()).hexdigest()


def record(score):
    return record_answers("submission", score, None)


def read_answers(folder):
    """The board's answers by the seed that made the submission."""
    seeds = {hash_submission(seed): seed for seed in (*range(9), 42)}
    rows = parse_ledger((folder / LEDGER).read_bytes(), "ledger")
    return {seeds[row["sha256"]]: row["public"] for row in rows}


# fifteen commands of git and DVC
@pytest.mark.slow
def test_answers_survive_apply_checkout_branches_stash_and_clean(project, tmp_path):
    record(0.42)
    project("dvc exp run -q -n one -S seed=1")
    record(0.1)
    project("git checkout -q -b idea")
    project("git add -A")
    project("git commit -q -m idea")
    project("dvc exp run -q --temp -n two -S seed=2")
    known = {42: "0.42", 1: "0.1", 2: ""}
    assert read_answers(tmp_path) == known
    for command in (
        "dvc exp apply two",
        "git stash -q -u",
        "git checkout -q main",
        "git clean -fdq",
        "dvc exp apply one",
    ):
        project(command)
        assert read_answers(tmp_path) == known, command
    # its submission lies there again
    record(0.11)
    assert read_answers(tmp_path) == known | {1: "0.11"}
    assert project("git ls-files ledger") == ""


@pytest.mark.slow
def test_answers_survive_the_queue(project, tmp_path):
    """Slow: the queue's workers take half a minute for two experiments."""
    record(0.42)
    project("dvc exp run -q --queue -S seed=1,2")
    project("dvc exp run -q --run-all")
    assert read_answers(tmp_path) == {42: "0.42", 1: "", 2: ""}
    names = project("dvc exp list --name-only").split()
    for name in names:
        project(f"dvc exp apply {name}")
        record(0.5)
    assert read_answers(tmp_path) == {42: "0.42", 1: "0.5", 2: "0.5"}


def test_ledger_that_earlier_versions_tracked_is_taken_over_and_outlives_its_commits(project, tmp_path):
    _, row = render_ledger([dict.fromkeys(COLUMNS, "") | {"sha256": hash_submission(7), "public": "0.7"}]).splitlines()
    old = [name for name in COLUMNS if name not in ("tokenizer", "weights", "split")]
    cells = dict(zip(COLUMNS, row.decode().split(","), strict=True))
    (tmp_path / TRACKED_LEDGER).write_text(",".join(old) + "\n" + ",".join(cells[name] for name in old) + "\n")
    project("git add -A")
    project("git commit -q -m tracked")
    assert f"git rm {TRACKED_LEDGER}" in find_tracked_ledger()
    record(0.42)
    for command in ("git rm -q submissions/ledger.csv", "git commit -q -m untracked", "git checkout -q HEAD~1"):
        project(command)
    project("git checkout -q main")
    assert find_tracked_ledger() is None
    assert read_answers(tmp_path) == {7: "0.7", 42: "0.42"}


def test_submission_is_found_by_what_lies_there_whatever_its_suffix(make_params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    for suffix, content in {"csv": b"one", "json": b"two"}.items():
        append_to_ledger("a", content, make_params())
        (tmp_path / f"submissions/a.{suffix}").write_bytes(content)
    (tmp_path / "submissions/a.b.csv").write_bytes(b"three")
    append_to_ledger("gone", b"four", make_params())
    with pytest.raises(InputError, match=r"^submissions/a\.b\.csv: ledger/submissions\.csv lists no such file"):
        record_answers("a.b", 0.5, None)
    append_to_ledger("a.b", b"three", make_params())
    with pytest.raises(
        InputError, match=r"^submissions/: submissions/a\.csv and submissions/a\.json are different submissions"
    ):
        record_answers("a", 0.5, None)
    with pytest.raises(InputError, match=r"no submission 'gone'; submissions: a, gone, a\.b"):
        record_answers("gone", 0.5, None)
    assert record_answers("a.json", 0.5, None)["sha256"] == sha256(b"two").hexdigest()
    assert record_answers(sha256(b"four").hexdigest()[:8], None, 0.4)["name"] == "gone"
    rows = parse_ledger((tmp_path / LEDGER).read_bytes(), "")
    assert [(row["public"], row["private"]) for row in rows] == [("", ""), ("0.5", ""), ("", "0.4"), ("", "")]
