"""What a model outside the project is known by, so that it is noticed when it changes."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.models.base import BaseModel, Pins, load_pins, refuse_changed
from pipeline.models.config import load_config
from pipeline.models.folders import compute_fingerprint
from pipeline.tables import load_record

if TYPE_CHECKING:
    from pipeline.params.model_sections import DistillParams, ModelParams

TEACHER, TEACHER_BASE = "train.distill.teacher", "train.distill.teacher's base"


def pin_model(name: str, revision: str | None, trust_remote_code: bool) -> BaseModel:
    """A hub model at the commit its revision stands for now, or a folder with its fingerprint. Raises InputError."""
    config = load_config(name, revision, trust_remote_code)
    if Path(name).is_dir():
        return BaseModel(name, None, compute_fingerprint(Path(name)))
    commit = config._commit_hash or revision
    return BaseModel(name, commit, str(commit))


def pin_pair(params: "ModelParams") -> Pins:
    """The two models that a pair is made of. Raises InputError."""
    parts = {"model.encoder": params.encoder, "model.decoder": params.decoder}
    return {key: pin_model(str(name), None, params.trust_remote_code) for key, name in parts.items()}


def pin_teacher(params: "DistillParams", own_base: Path) -> Pins:
    """The teacher, and where it is a folder with an adapter, the base of that; nothing without a teacher.

    Args:
        own_base: where this project's base lies. It is being made, and DVC watches it.

    Raises:
        InputError: if it cannot be loaded.
    """
    if params.teacher is None:
        return {}
    folder = Path(params.teacher)
    try:
        if not is_adapter(folder):
            return {TEACHER: pin_model(params.teacher, None, params.trust_remote_code)}
        pins, base = {TEACHER: BaseModel(params.teacher, None, compute_fingerprint(folder))}, get_adapter_base(folder)
        if Path(base) != own_base:
            pins[TEACHER_BASE] = pin_model(base, None, params.trust_remote_code)
        return pins
    except InputError as error:
        raise InputError([line.replace("model.name", TEACHER) for line in error.mistakes]) from error


def load_teacher_pins(folder: Path, params: "DistillParams") -> Pins:
    """As pretrain pinned the teacher.

    Raises:
        InputError: if the teacher changed since, or is another one.
    """
    pins = {key: model for key, model in load_pins(folder).items() if key in (TEACHER, TEACHER_BASE)}
    if params.teacher != (pins[TEACHER].name if pins else None):
        raise InputError(f"{TEACHER}: {params.teacher}: the pretrain stage looked at another; run it first")
    refuse_changed(pins)
    return pins


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a peft adapter."""
    return (folder / "adapter_config.json").is_file()


def get_adapter_base(folder: Path) -> str:
    """The base that an adapter names, or InputError."""
    base = load_record(folder / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise InputError(f"model.name: {folder}: its adapter_config.json names no base")
    return str(base)
