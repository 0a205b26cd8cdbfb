"""Where a base lies and what it is known by; folders replaced whole or not at all."""

import shutil

import pytest
from builders import build_tiny_model

from pipeline.errors import InputError
from pipeline.models.base import (
    BaseModel,
    build_run_key,
    compute_fingerprint,
    load_base,
    replace_directory,
    save_pointer,
)
from pipeline.models.loading import load_prompt_builder, save_model


@pytest.fixture
def folder(tokenizer, tmp_path):
    """A tiny GPT-J and its tokenizer on disk."""
    path = tmp_path / "gptj"
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, path)
    return path


def test_pointer_leads_to_the_folder_it_was_made_for(folder, make_params, tmp_path):
    pointer = tmp_path / "base"
    pointer.mkdir()
    save_pointer(BaseModel(str(folder), None, compute_fingerprint(folder)), pointer)
    base = load_base(pointer)
    assert base.name == str(folder)
    assert load_prompt_builder(base, make_params().model, make_params().prompt, "head").context_length == 128


def test_folder_that_changed_since_pretrain_is_refused(folder, tmp_path):
    pointer = tmp_path / "base"
    pointer.mkdir()
    save_pointer(BaseModel(str(folder), None, compute_fingerprint(folder)), pointer)
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    with pytest.raises(InputError, match="changed since the pretrain stage looked at it"):
        load_base(pointer)


def test_empty_base_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no model; run the pretrain stage first"):
        load_base(tmp_path)


def test_fingerprint_follows_content_and_names(folder, tmp_path):
    before = compute_fingerprint(folder)
    copied = shutil.copytree(folder, tmp_path / "copy")
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
