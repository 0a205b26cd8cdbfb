"""Where a base model lies, and what it is known by.

`models/base/` is either a model of our own making (`config.json` and weights) or a pointer, `base.json`, to a hub
commit or a folder: 12 GB are not copied into DVC's cache. Beside either, `pinned.json` holds what else pretrain looked
at outside the project, where DVC does not watch it: the models of a pair, and a teacher.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.models.folders import compute_fingerprint, recover_directory
from pipeline.progress import quieten_libraries
from pipeline.tables import load_json, load_record

POINTER, PINNED = "base.json", "pinned.json"


@dataclass(frozen=True)
class BaseModel:
    """Where a base model lies: a folder or a hub id, the commit it is pinned to, and its fingerprint."""

    name: str
    revision: str | None
    fingerprint: str


# by key of params.yaml
Pins = dict[str, BaseModel]


def load_base(folder: Path) -> BaseModel:
    """What `models/base/` holds or points to.

    Raises:
        InputError: if it is neither, or a folder it points to, or was made of, changed since `pretrain` looked at it.
    """
    recover_directory(folder)
    if not (folder / POINTER).is_file():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: holds no model; run the pretrain stage first")
        refuse_changed({key: part for key, part in load_pins(folder).items() if key.startswith("model.")})
        return BaseModel(str(folder), None, compute_fingerprint(folder, without=PINNED))
    base = _build_base(load_json(folder / POINTER), folder / POINTER)
    refuse_changed({"model.name": base})
    return base


def save_pointer(base: BaseModel, folder: Path) -> None:
    """Writes the pointer to a model that lies elsewhere."""
    (folder / POINTER).write_text(json.dumps(vars(base), indent=2) + "\n")


def save_pins(pins: Pins, folder: Path) -> None:
    """Writes what else pretrain looked at; nothing if there is none, so that a base alone stays as it was."""
    if pins:
        content = {key: vars(model) for key, model in pins.items()}
        (folder / PINNED).write_text(json.dumps(content, indent=2) + "\n")


def load_pins(folder: Path) -> Pins:
    """What `save_pins` wrote."""
    path = folder / PINNED
    return {key: _build_base(model, path) for key, model in load_record(path).items()} if path.is_file() else {}


def _build_base(values: Any, path: Path) -> BaseModel:
    known = {"name": str, "revision": str | None, "fingerprint": str}
    if not isinstance(values, dict) or not all(
        key in values and isinstance(values[key], kind) for key, kind in known.items()
    ):
        raise InputError(f"{path}: is not what pretrain writes; run the pretrain stage again")
    return BaseModel(*(values[key] for key in known))


def refuse_changed(pins: Pins) -> None:
    """Raises InputError naming the folders that are no longer what pretrain looked at."""
    mistakes = [
        f"{key}: {model.name}: changed since the pretrain stage looked at it; "
        "run `dvc repro --force preprocess pretrain`, for DVC does not watch a folder outside the project"
        for key, model in pins.items()
        if model.revision is None
        and Path(model.name).is_dir()
        and compute_fingerprint(Path(model.name)) != model.fingerprint
    ]
    if mistakes:
        raise InputError(mistakes)


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes weights (safetensors) and tokenizer of a base made here."""
    quieten_libraries()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
