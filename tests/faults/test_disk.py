"""A disk that is full, a file that may not grow, a folder that may not be written: every stage says so in one line, leaves
no half file under its real name, and goes on when there is room."""

import os
import resource
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from faults.projects import GROWING, STAGES, digest_outputs, list_outputs, remove
from typer.testing import CliRunner

from pipeline.cli.app import app

pytestmark = pytest.mark.faults
FOLDERS = ("data/processed", "models", "predictions", "details", "metrics", "plots", "reports", "submissions", "ledger")
NOBODY = 65534


def invoke(stage):
    return CliRunner().invoke(app, [stage], catch_exceptions=False)


@contextmanager
def full(folder):
    """Not a byte is free."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        # writes what fits
        while file.write(bytes(2**16)):
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def limited(folder):
    """No file may have more than so many bytes, as a quota would have it; needs no rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder):
    """Nobody may write where stages write; root may do everything, so somebody else runs them."""
    paths = [folder, *(folder / name for name in FOLDERS)]
    is_root = os.geteuid() == 0
    if is_root:
        subprocess.run(["chown", "-R", str(NOBODY), folder], check=True)
    for path in paths:
        path.chmod(0o555)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own in memory; skipped where that may not be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def open_folder():
    """A folder that other users can reach, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("trouble", "place"), [(full, "small_disk"), (limited, "tmp_path"), (read_only, "open_folder")]
)
def test_stage_names_the_path_and_goes_on_when_there_is_room(plain, stage, trouble, place, request, monkeypatch):
    source, wanted = plain
    folder = request.getfixturevalue(place) / "project"
    shutil.copytree(source, folder)
    for output in list_outputs(stage):
        remove(folder / output)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("YOYAK_SCRATCH", raising=False)
    with trouble(folder):
        result = invoke(stage)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    names = [str(output) for output in list_outputs(stage)] + [".yoyak"]
    assert any(name in line for name in names), line
    assert any(word in line for word in ("No space left", "File too large", "Permission denied")), line
    found = digest_outputs(folder, [stage])
    assert {name for name in found if found[name] != wanted[name]} - {*GROWING} == set()
    assert invoke(stage).exit_code == 0
    assert digest_outputs(folder) == wanted
