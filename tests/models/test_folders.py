"""Folders known by their content, replaced whole or not at all."""

import shutil

import pytest

from pipeline.models.folders import build_run_key, compute_fingerprint, replace_directory


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


def test_run_key_changes_with_any_part():
    keys = {build_run_key("a", {"r": 8}), build_run_key("a", {"r": 4}), build_run_key("b", {"r": 8})}
    assert len(keys) == 3
