"""Submissions are listed once, and none is lost."""

import os
import subprocess
import sys
import time

import pytest
from builders import ROOT

from pipeline.history.ledger import (
    parse_ledger,
)
from pipeline.history.submissions import append_to_ledger

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
    rows = parse_ledger((tmp_path / "submissions/ledger.csv").read_bytes(), "ledger.csv")
    assert sorted(row["name"] for row in rows) == sorted([*(f"{i}-{j}" for i in range(3) for j in range(8)), "same"])
    assert os.listdir(tmp_path / "submissions") == ["ledger.csv"]


@pytest.mark.parametrize("place", [".dvc/tmp/exps/tmp1", ".dvc/tmp/exps/standalone/tmp1", "."])
def test_experiment_in_a_copy_is_listed_in_the_projects_own_ledger(place, make_params, tmp_path, monkeypatch):
    copy = tmp_path / place
    copy.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(copy)
    append_to_ledger("queued", b"content", make_params())
    rows = parse_ledger((tmp_path / "submissions/ledger.csv").read_bytes(), "ledger.csv")
    assert [row["name"] for row in rows] == ["queued"]
    assert place == "." or not (copy / "submissions").exists()
