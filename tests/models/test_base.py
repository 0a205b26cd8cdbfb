"""Where a base lies and what it is known by; folders replaced whole or not at all."""

import pytest

from pipeline.errors import InputError
from pipeline.models.base import BaseModel, load_base, save_pointer
from pipeline.models.folders import compute_fingerprint
from pipeline.models.loading import load_prompt_builder


def test_pointer_leads_to_the_folder_it_was_made_for(model_folder, make_params, tmp_path):
    pointer = tmp_path / "base"
    pointer.mkdir()
    save_pointer(BaseModel(str(model_folder), None, compute_fingerprint(model_folder)), pointer)
    base = load_base(pointer)
    assert base.name == str(model_folder)
    assert load_prompt_builder(base, make_params().model, make_params().prompt, "head").context_length == 128


def test_folder_that_changed_since_pretrain_is_refused(model_folder, tmp_path):
    pointer = tmp_path / "base"
    pointer.mkdir()
    save_pointer(BaseModel(str(model_folder), None, compute_fingerprint(model_folder)), pointer)
    (model_folder / "config.json").write_text((model_folder / "config.json").read_text() + "\n")
    with pytest.raises(InputError, match="changed since the pretrain stage looked at it"):
        load_base(pointer)


def test_empty_base_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no model; run the pretrain stage first"):
        load_base(tmp_path)


@pytest.mark.parametrize(
    "content", ["[]", "null", '{"name": "a"}', '{"name": 1, "revision": null, "fingerprint": "b"}']
)
def test_pointer_of_another_shape_is_refused_by_name(tmp_path, content):
    (tmp_path / "base.json").write_text(content)
    with pytest.raises(InputError, match=r"base\.json: is not what pretrain writes"):
        load_base(tmp_path)
