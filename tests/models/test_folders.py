"""Folders known by their content, replaced whole or not at all."""

import hashlib
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.models import folders
from pipeline.models.adapter import load_method
from pipeline.models.base import load_base
from pipeline.models.folders import build_run_key, compute_fingerprint, recover_directory, replace_directory


def test_fingerprint_follows_content_and_names(model_folder, tmp_path):
    before = compute_fingerprint(model_folder)
    copied = shutil.copytree(model_folder, tmp_path / "copy")
    assert compute_fingerprint(copied) == before
    (copied / "config.json").rename(copied / "other.json")
    assert compute_fingerprint(copied) != before


def test_directory_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()

    def die_halfway():
        with replace_directory(target) as temporary:
            (temporary / "half").touch()
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        die_halfway()
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "old"]
    with replace_directory(target) as temporary:
        (temporary / "new").touch()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["new", "out"]


def replace_and_die(target: Path, last: int) -> bool:
    """Replaces a folder in a process that is killed before its n-th line; whether it got so far."""
    # a fork, for dozens of new interpreters take ten seconds; it does nothing but this and runs none of pytest's code
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != folders.__file__:
            return None
        if event == "line":
            lines += 1
            if lines == last:
                # as a kill: nothing is cleaned up
                os._exit(9)
        return trace

    try:
        sys.settrace(trace)
        with replace_directory(target) as temporary:
            for name in ("one", "two"):
                (temporary / name).write_text("new")
        os._exit(0)
    finally:
        os._exit(1)


def test_kill_between_any_two_steps_leaves_the_old_folder_or_the_new_one(tmp_path):
    target, seen = tmp_path / "out", []
    while True:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for name in ("one", "two"):
            (target / name).write_text("old")
        if not replace_and_die(target, len(seen) + 1):
            break
        recover_directory(target)
        # a read after the kill, before anything is replaced again
        (content,) = {path.read_text() for path in target.iterdir()}
        assert {path.name for path in target.iterdir()} == {"one", "two"}
        seen.append(content)
        # a second kill at the same step, on what the first one left
        replace_and_die(target, len(seen))
        recover_directory(target)
        assert {path.read_text() for path in target.iterdir()} in ({"old"}, {"new"})
        # whatever was left lying is gone with the next replacement
        with replace_directory(target) as temporary:
            (temporary / "one").touch()
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert seen[0] == "old"
    assert seen[-1] == "new"
    assert sorted(seen, reverse=True) == seen
    assert {path.read_text() for path in target.iterdir()} == {"new"}


@pytest.mark.parametrize("load", [load_base, load_method])
def test_folder_that_a_kill_left_aside_is_put_back_when_it_is_read(load, model_folder, tmp_path):
    folder = tmp_path / "models/base"
    shutil.copytree(model_folder, folder)
    before = load(folder)
    # where the test above finds it after a kill between the two renames
    folder.rename(folder.parent / ".base.set-aside")
    assert load(folder) == before
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="stage first"):
        load(folder)


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    target = tmp_path / "out"
    with replace_directory(target) as first:
        with replace_directory(target) as second:
            (second / "two").touch()
        assert first.is_dir()
        (first / "one").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "one"]


def test_reading_while_another_replaces_waits_and_puts_nothing_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()
    rename = os.rename

    def rename_slowly(*paths):
        rename(*paths)
        time.sleep(0.2)

    monkeypatch.setattr(os, "rename", rename_slowly)

    def replace():
        with replace_directory(target) as temporary:
            (temporary / "new").touch()

    writer = threading.Thread(target=replace)
    writer.start()
    while writer.is_alive():
        recover_directory(target)
    writer.join()
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "new"]


def test_run_key_changes_with_any_part():
    keys = {build_run_key("a", {"r": 8}), build_run_key("a", {"r": 4}), build_run_key("b", {"r": 8})}
    assert len(keys) == 3


def test_fingerprint_is_the_same_however_files_are_read(tmp_path, monkeypatch):
    for name, content in (("a", b""), ("b", b"12345678"), ("c", b"123456789"), ("d", b"1")):
        (tmp_path / name).write_bytes(content)
    whole = compute_fingerprint(tmp_path)
    oracle = hashlib.sha256()
    for path in sorted(tmp_path.iterdir()):
        oracle.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    assert whole == oracle.hexdigest()
    for block in (1, 4, 8):
        monkeypatch.setattr(folders, "_BLOCK", block)
        assert compute_fingerprint(tmp_path) == whole


@pytest.mark.parametrize("is_there", [True, False])
def test_link_is_replaced_and_the_folder_that_it_leads_to_left_alone(tmp_path, is_there):
    target, link = tmp_path / "elsewhere", tmp_path / "base"
    if is_there:
        target.mkdir()
        (target / "config.json").write_text("theirs")
    link.symlink_to(target)
    with replace_directory(link) as folder:
        (folder / "config.json").write_text("ours")
    assert (link / "config.json").read_text() == "ours"
    assert not link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "elsewhere"][: 1 + is_there]
    if is_there:
        assert [(path.name, path.read_text()) for path in target.iterdir()] == [("config.json", "theirs")]
