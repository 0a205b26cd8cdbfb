"""DVC's own files that it left half-written when it was killed: it writes dvc.lock and .dvc/tmp/rwlock in place.

It stops on either before it runs anything. Neither holds what cannot be had again: what is unchanged comes from DVC's
run-cache, and nobody holds a lock who is dead.
"""

import json
from pathlib import Path

from pipeline.errors import InputError
from pipeline.history.dvc_lock import parse_lock
from pipeline.history.experiments import WORKSPACE
from pipeline.paths import DVC_LOCK, RWLOCK, TORN

UNREADABLE = "DVC cannot read it, as where it was killed while it wrote it"


def find_torn() -> list[Path]:
    """The files that DVC cannot read. Where a DVC is at work, one of them may be in the midst of being written."""
    readers = {DVC_LOCK: lambda content: parse_lock(content, WORKSPACE), RWLOCK: json.loads}
    torn = []
    for path, read in readers.items():
        try:
            if path.exists():
                read(path.read_bytes())
        except (InputError, ValueError):
            torn.append(path)
    return torn


def refuse_torn() -> None:
    """Raises InputError for the files that DVC would stop on before it runs anything."""
    if torn := find_torn():
        raise InputError([f"{path}: {UNREADABLE}; python -m pipeline mend" for path in torn])


def set_aside_torn() -> list[Path]:
    """Moves the files that DVC cannot read into .yoyak/torn.

    Returns:
        Those that were moved; none where a DVC at work holds the project, which writes what it can read.

    Raises:
        InputError: if this is no DVC project.
    """
    if not find_torn():
        return []
    from dvc.exceptions import NotDvcRepoError
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(".") as repo, repo.lock:
            torn = find_torn()
            for path in torn:
                TORN.mkdir(parents=True, exist_ok=True)
                path.replace(TORN / path.name)
            return torn
    except NotDvcRepoError as error:
        raise InputError(f"{Path.cwd()}: is no DVC project") from error
    except LockError:
        return []
