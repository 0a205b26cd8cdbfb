"""Where a base model lies, and what it is known by.

`models/base/` is either a model of our own making (`config.json` and weights) or a pointer, `base.json`, to a hub
commit or a folder: 12 GB are not copied into DVC's cache.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.models.folders import compute_fingerprint, recover_directory
from pipeline.progress import quieten_libraries
from pipeline.tables import load_json

POINTER = "base.json"


@dataclass(frozen=True)
class BaseModel:
    """Where a base model lies: a folder or a hub id, the commit it is pinned to, and its fingerprint."""

    name: str
    revision: str | None
    fingerprint: str


def load_base(folder: Path) -> BaseModel:
    """What `models/base/` holds or points to.

    Raises:
        InputError: if it is neither, or a folder it points to changed since `pretrain` looked at it.
    """
    recover_directory(folder)
    if not (folder / POINTER).is_file():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: holds no model; run the pretrain stage first")
        return BaseModel(str(folder), None, compute_fingerprint(folder))
    base = BaseModel(**load_json(folder / POINTER))
    if Path(base.name).is_dir() and base.revision is None and compute_fingerprint(Path(base.name)) != base.fingerprint:
        raise InputError(
            f"{base.name}: changed since the pretrain stage looked at it; "
            "run `dvc repro --force preprocess pretrain`, for DVC does not watch a folder outside the project"
        )
    return base


def save_pointer(base: BaseModel, folder: Path) -> None:
    """Writes the pointer to a model that lies elsewhere."""
    content = {"name": base.name, "revision": base.revision, "fingerprint": base.fingerprint}
    (folder / POINTER).write_text(json.dumps(content, indent=2) + "\n")


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes weights (safetensors) and tokenizer of a base made here."""
    quieten_libraries()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
