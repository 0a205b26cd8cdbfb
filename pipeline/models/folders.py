"""Folders of models and of scratch files: known by their content, replaced whole."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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


def get_scratch_root() -> Path:
    """Where checkpoints go: `$YOYAK_SCRATCH`, or `.yoyak/` here. Never a DVC output: DVC deletes those before a run."""
    return Path(os.environ.get("YOYAK_SCRATCH", ".yoyak")).absolute()


def build_run_key(*parts: Any) -> str:
    """A fingerprint of everything that shapes a run, for its scratch folder's name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
