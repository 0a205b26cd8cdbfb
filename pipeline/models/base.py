"""Where a base model lies, what it is known by, and how folders of models and of scratch files are kept.

`models/base/` is either a model of our own making (`config.json` and weights) or a pointer, `base.json`, to a hub
commit or a folder: 12 GB are not copied into DVC's cache.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
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


def compute_fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, folders inside left out."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def replace_directory(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well, and vanishes when it does not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
        os.chmod(folder, 0o755)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def save_pointer(base: BaseModel, folder: Path) -> None:
    """Writes the pointer to a model that lies elsewhere."""
    content = {"name": base.name, "revision": base.revision, "fingerprint": base.fingerprint}
    (folder / POINTER).write_text(json.dumps(content, indent=2) + "\n")


def get_scratch_root() -> Path:
    """Where checkpoints go: `$YOYAK_SCRATCH`, or `.yoyak/` here. Never a DVC output: DVC deletes those before a run."""
    return Path(os.environ.get("YOYAK_SCRATCH", ".yoyak")).absolute()


def build_run_key(*parts: Any) -> str:
    """A fingerprint of everything that shapes a run, for its scratch folder's name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
