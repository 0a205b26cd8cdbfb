"""A teacher and the models of a pair: known by commit or content, refused when they changed."""

import json
import shutil

import pytest
from builders import build_tiny_model

from pipeline.errors import InputError
from pipeline.models import loading, pins
from pipeline.models.base import load_base, save_model, save_pins
from pipeline.models.folders import compute_fingerprint
from pipeline.models.loading import load_teacher
from pipeline.models.pins import TEACHER, TEACHER_BASE, load_teacher_pins, pin_teacher
from pipeline.paths import BASE


@pytest.fixture
def make_distill(make_params):
    """The `train.distill` section with a teacher."""
    return lambda teacher, **changes: (
        make_params(**{"train.distill.teacher": teacher and str(teacher), **changes}).train.distill
    )


@pytest.fixture
def adapter_folder(model_folder, make_params, tmp_path):
    """An adapter of `model_folder`."""
    from pipeline.models.methods import attach_lora

    model, tokenizer = loading.load_model(load_base(model_folder), make_params().model, device="cpu")
    save_model(attach_lora(model, make_params().lora), tokenizer, tmp_path / "adapter")
    return tmp_path / "adapter"


def change(folder):
    path = folder / "tokenizer_config.json"
    path.write_text(path.read_text() + "\n")


def test_teacher_that_changed_since_pretrain_is_refused_and_another_too(model_folder, make_distill, tmp_path):
    distill, base = make_distill(model_folder), tmp_path / "base"
    base.mkdir()
    save_pins(pin_teacher(distill, BASE), base)
    before = load_teacher_pins(base, distill)
    assert before[TEACHER].fingerprint == compute_fingerprint(model_folder)
    other = shutil.copytree(model_folder, tmp_path / "other")
    for unseen in (other, None):
        with pytest.raises(
            InputError, match=r"train\.distill\.teacher: .*: the pretrain stage looked at another; run it"
        ):
            load_teacher_pins(base, make_distill(unseen))
    change(model_folder)
    with pytest.raises(InputError) as refusal:
        load_teacher_pins(base, distill)
    (line,) = refusal.value.mistakes
    assert line.startswith(f"train.distill.teacher: {model_folder}: changed since the pretrain stage looked at it; run")


def test_base_of_a_teachers_adapter_is_part_of_the_teacher(
    adapter_folder, model_folder, make_params, make_distill, tmp_path
):
    distill = make_distill(adapter_folder)
    found = pin_teacher(distill, BASE)
    assert {key: model.name for key, model in found.items()} == {
        TEACHER: str(adapter_folder),
        TEACHER_BASE: str(model_folder),
    }
    (tmp_path / "base").mkdir()
    save_pins(found, tmp_path / "base")
    assert load_teacher_pins(tmp_path / "base", distill) == found
    change(model_folder)
    with pytest.raises(InputError, match=f"teacher's base: {model_folder}: changed since the pretrain stage"):
        load_teacher_pins(tmp_path / "base", distill)
    # this project's own base is made while the teacher is pinned, and DVC watches it
    assert pin_teacher(distill, model_folder).keys() == {TEACHER}
    model, _ = load_teacher(pin_teacher(distill, model_folder), make_params().model, False)
    assert model.config.model_type == "gptj"


def test_no_teacher_leaves_a_base_as_it_is(model_folder, make_distill):
    before = {path.name for path in model_folder.iterdir()}
    save_pins(pin_teacher(make_distill(None), BASE), model_folder)
    assert {path.name for path in model_folder.iterdir()} == before
    assert load_teacher_pins(model_folder, make_distill(None)) == {}


def test_pins_beside_a_base_of_our_own_are_no_part_of_it(model_folder, tokenizer, make_distill, tmp_path):
    before = load_base(model_folder)
    save_model(build_tiny_model("llama", len(tokenizer)), tokenizer, tmp_path / "teacher")
    save_pins(pin_teacher(make_distill(tmp_path / "teacher"), BASE), model_folder)
    assert load_base(model_folder) == before


@pytest.mark.parametrize(("student", "teacher"), [(True, False), (False, True)])
def test_code_of_a_teacher_is_trusted_by_its_own_key(
    model_folder, make_params, make_distill, monkeypatch, student, teacher
):
    distill = make_distill(model_folder, **{"train.distill.trust_remote_code": teacher})
    params = make_params(**{"model.trust_remote_code": student}).model
    trusted = []
    for module in (pins, loading):
        load = module.load_config
        monkeypatch.setattr(
            module,
            "load_config",
            lambda name, revision, trust, load=load: trusted.append(trust) or load(name, revision, trust),
        )
    load_teacher(pin_teacher(distill, BASE), params, distill.trust_remote_code)
    assert trusted == [teacher, teacher]


def test_teacher_is_loaded_at_the_commit_that_was_pinned(model_folder, make_params, monkeypatch):
    taken = []
    monkeypatch.setattr(loading, "load_model", lambda base, *rest: taken.append(base))
    pinned = {TEACHER: pins.BaseModel("someone/teacher", "4f2a", "4f2a")}
    load_teacher(pinned, make_params().model, False)
    assert taken == [pinned[TEACHER]]


def test_file_of_pins_is_what_a_person_can_read(model_folder, make_distill, tmp_path):
    save_pins(pin_teacher(make_distill(model_folder), BASE), tmp_path)
    (key, model), *_ = json.loads((tmp_path / "pinned.json").read_text()).items()
    assert (key, model["name"]) == ("train.distill.teacher", str(model_folder))
