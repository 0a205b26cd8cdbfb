"""DVC's own files that it left half-written when it was killed: it writes dvc.lock and .dvc/tmp/rwlock in place.

It stops on either before it runs anything. Neither holds what cannot be had again: what is unchanged comes from DVC's
run-cache, and nobody holds a lock who is dead.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import InputError
from pipeline.history.dvc_lock import parse_lock
from pipeline.history.experiments import WORKSPACE
from pipeline.paths import DVC_LOCK, RWLOCK, TORN


def find_torn() -> list[Path]:
    """The files that DVC cannot read. Where a DVC is at work, one of them may be in the midst of being written."""
    return list(_find_torn())


def _find_torn() -> Iterator[Path]:
    if DVC_LOCK.exists():
        try:
            parse_lock(DVC_LOCK.read_bytes(), WORKSPACE)
        except InputError:
            yield DVC_LOCK
    if RWLOCK.exists():
        try:
            json.loads(RWLOCK.read_bytes())
        except ValueError:
            yield RWLOCK


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
