"""Experiments of DVC and revisions of git, as they left their files."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.history.compare import Experiment, flatten_params
from pipeline.history.dvc_lock import parse_lock
from pipeline.paths import DVC_LOCK, SELECTION, VALID_SCORES

WORKSPACE = "workspace"


def load_experiment(name: str) -> Experiment:
    """What an experiment chose, from the workspace, a git revision or a DVC experiment.

    Its params are those that made its scores, as dvc.lock has them; params.yaml may have been edited since.

    Raises:
        InputError: if it has no scores, or dvc.lock does not know what made them.
    """
    import json

    from pipeline.tables import SCORES, parse_table

    source = f"{VALID_SCORES} of {name}"
    lock = parse_lock(load_revision(name, DVC_LOCK), name)
    files = {path: load_revision(name, path) for path in (SELECTION, VALID_SCORES)}
    for path, content in files.items():
        lock.check_made(path, content)
    scores = parse_table(files[VALID_SCORES], source, SCORES)
    row = json.loads(files[SELECTION])["name"]
    chosen = scores.loc[scores["name"] == row]
    if chosen.empty:
        raise InputError(f"{source}: has no row {row!r}, which {SELECTION} names")
    return Experiment(name, flatten_params(lock.find_params(VALID_SCORES)), row, chosen)


def load_revision(name: str, path: Path) -> bytes:
    """A file as an experiment left it, from git or from DVC's cache."""
    from pipeline.tables import load_bytes

    if name == WORKSPACE:
        return load_bytes(path)
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    try:
        with Repo() as repo:
            revision = resolve_rev(repo.scm, name)
        return dvc.api.read(str(path), rev=revision, mode="rb")
    except SCMError as error:
        raise InputError(f"{name}: neither a DVC experiment nor a git revision") from error
    except (DvcException, FileNotFoundError) as error:
        raise InputError(f"{name}: has no {path}; dvc repro, or dvc exp run, makes it ({error})") from error
