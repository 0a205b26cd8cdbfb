"""Folders of models and of scratch files: known by their content, replaced whole."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline.models.damage import refuse_unwritable
from pipeline.progress import track
from pipeline.tables import is_locked, lock_folder

# bytes of a file that are read at once
_BLOCK = 2**24


def compute_fingerprint(folder: Path, *, without: str = "") -> str:
    """SHA-256 over the names and contents of a folder's files, folders inside left out, and the file `without`."""
    digest, files = hashlib.sha256(), sorted(p for p in folder.iterdir() if p.is_file() and p.name != without)
    blocks = track(_read_blocks(files), f"{folder}: hashing", sum(-(-p.stat().st_size // _BLOCK) or 1 for p in files))
    for path, own in groupby(blocks, itemgetter(0)):
        content = hashlib.sha256()
        for _, block in own:
            content.update(block)
        digest.update(path.name.encode() + b"\0" + content.digest())
    return digest.hexdigest()


def _read_blocks(files: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    """Each file block by block; one that is empty, too."""
    for path in files:
        with path.open("rb") as file:
            block = file.read(_BLOCK)
            yield path, block
            while len(block) == _BLOCK and (block := file.read(_BLOCK)):
                yield path, block


@contextmanager
def replace_directory(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends well, and vanishes when it does not.

    The old folder is renamed aside, the new one in, and only then is the old one removed. A process that is killed
    between the two leaves the old one aside, and whoever reads or replaces the folder next puts it back.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with lock_folder(folder.parent):
            _recover(folder)
            _remove_orphans(folder)
            temporary = _make_temporary(folder)
            # as long as its writer lives, so that nobody takes it for an orphan
            held.enter_context(lock_folder(temporary))
        try:
            with refuse_unwritable(folder):
                yield temporary
            for path in temporary.rglob("*"):
                if path.is_file():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
            os.chmod(temporary, 0o755)
            with lock_folder(folder.parent):
                _swap(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def recover_directory(folder: Path) -> None:
    """Puts a folder back that `replace_directory` had set aside when it was killed; to be called before it is read."""
    if _get_aside(folder).is_dir():
        with lock_folder(folder.parent):
            _recover(folder)


def _swap(temporary: Path, folder: Path) -> None:
    """Under the lock of the folder around both."""
    # another process may have written the same folder meanwhile
    _recover(folder)
    try:
        if os.path.lexists(folder):
            os.rename(folder, _get_aside(folder))
        os.rename(temporary, folder)
    finally:
        _recover(folder)


def _recover(folder: Path) -> None:
    """Removes what was set aside if the folder is there, and puts it back if not."""
    aside = _get_aside(folder)
    if aside.is_symlink() and os.path.lexists(folder):
        # what it leads to is not ours
        aside.unlink()
    if not aside.is_dir():
        return
    if not folder.exists():
        os.rename(aside, folder)
        return
    # under another name first: half of a folder must never be put back
    doomed = _make_temporary(folder)
    os.rename(aside, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _remove_orphans(folder: Path) -> None:
    """Removes the temporary folders of processes that were killed."""
    for path in folder.parent.glob(f".{folder.name}.*"):
        if path.is_dir() and path != _get_aside(folder) and not is_locked(path):
            shutil.rmtree(path, ignore_errors=True)


def _make_temporary(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))


def _get_aside(folder: Path) -> Path:
    # longer than what mkdtemp makes up, so that it is never the name of a temporary folder
    return folder.parent / f".{folder.name}.set-aside"


def get_scratch_root() -> Path:
    """Where checkpoints go: `$YOYAK_SCRATCH`, or `.yoyak/` here. Never a DVC output: DVC deletes those before a run."""
    return Path(os.environ.get("YOYAK_SCRATCH", ".yoyak")).absolute()


def build_run_key(*parts: Any) -> str:
    """A fingerprint of everything that shapes a run, for its scratch folder's name."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
