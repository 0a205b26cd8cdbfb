"""Where a base lies and what it is known by; folders replaced whole or not at all."""

import pytest
from builders import build_tiny_model

from pipeline.errors import InputError
from pipeline.models.base import BaseModel, load_base, save_model, save_pointer
from pipeline.models.folders import compute_fingerprint
from pipeline.models.loading import load_prompt_builder


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
