"""Experiments of DVC and revisions of git, as they left their files."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.history.compare import Experiment, flatten_params
from pipeline.history.dvc_lock import parse_lock
from pipeline.history.ensemble import Member
from pipeline.history.trials import Trial
from pipeline.paths import (
    DETAILS,
    DVC_LOCK,
    SELECTION,
    TEST_CANDIDATES,
    TEST_PREDICTIONS,
    VALID_PREDICTIONS,
    VALID_SCORES,
)

if TYPE_CHECKING:
    from dvc.repo import Repo

    from pipeline.params.reading import Params

WORKSPACE = "workspace"
# holds what a score means, and a digest of the documents that it was taken on
SCALE = DETAILS / "scores.json"


def load_experiment(name: str) -> Experiment:
    """What an experiment chose, from the workspace, a git revision or a DVC experiment.

    Its params are those that made its scores, as dvc.lock has them; params.yaml may have been edited since.

    Raises:
        InputError: if it has no scores, or dvc.lock does not know what made them.
    """
    import json

    from pipeline.tables import SCORES, parse_table

    source = f"{VALID_SCORES} of {name}"
    recorded, selection, content, said = load_revision(name, DVC_LOCK, SELECTION, VALID_SCORES, beside=SCALE)
    lock = parse_lock(recorded, name)
    lock.check_made(SELECTION, selection)
    lock.check_made(VALID_SCORES, content)
    scores = parse_table(content, source, SCORES)
    row = json.loads(selection)["name"]
    chosen = scores.loc[scores["name"] == row]
    if chosen.empty:
        raise InputError(f"{source}: has no row {row!r}, which {SELECTION} names")
    split = None
    # of experiments from before there was such a file, nobody knows
    with suppress(InputError, ValueError, KeyError, TypeError):
        lock.check_made(SCALE, said)
        split = str(json.loads(said)["scale"]["split"])
    return Experiment(name, flatten_params(lock.find_params(VALID_SCORES)), row, chosen, split)


def _read_quickly(repo: "Repo", revision: str, path: Path) -> bytes | None:
    """A file of a revision that git holds, or that dvc.lock names and DVC's cache holds; None if neither does.

    dvc.api.read looks at the whole project first, a second for each file.
    """
    files, root = repo.scm.get_fs(revision), Path(os.path.relpath(repo.root_dir, repo.scm.root_dir))

    def read(place: Path) -> bytes | None:
        name = str(root / place)
        if not files.isfile(name):
            return None
        with files.open(name, "rb") as file:
            return file.read()

    if (content := read(path)) is not None or (lock := read(DVC_LOCK)) is None:
        return content
    known = parse_lock(lock, revision).find_hash(path)
    cached = Path(repo.cache.local.oid_to_path(known)) if known else None
    return cached.read_bytes() if cached is not None and cached.is_file() else None


def load_member(name: str) -> Member:
    """What an experiment chose from, for validation and for the test set.

    Raises:
        InputError: if it has no candidates, or none for validation of what it chose from for the test set.
    """
    from pipeline.tables import CANDIDATES, parse_table

    paths = VALID_PREDICTIONS, TEST_CANDIDATES
    valid, test = (
        parse_table(content, f"{path} of {name}", CANDIDATES)
        for path, content in zip(paths, load_revision(name, *paths), strict=True)
    )
    kept = valid[valid["configuration"].isin(test["configuration"])]
    if kept.empty:
        row = test["configuration"].iloc[0]
        raise InputError(
            f"{name}: it submits {row!r}, which no model of it wrote; choose with predict.use what one did"
        )
    return Member(load_experiment(name), kept, test)


def load_revision(name: str, *paths: Path, beside: Path | None = None) -> list[bytes]:
    """Files as an experiment left them, from git or from DVC's cache.

    Args:
        beside: one more, which is empty where neither has it.

    Raises:
        InputError: naming the first that is not there.
    """
    from pipeline.tables import load_bytes

    if name == WORKSPACE:
        also = [] if beside is None else [load_bytes(beside) if beside.is_file() else b""]
        return [*map(load_bytes, paths), *also]
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    path, contents = paths[0], []
    try:
        with Repo() as repo:
            revision = resolve_rev(repo.scm, name)
            for path in paths:
                content = _read_quickly(repo, revision, path)
                contents.append(dvc.api.read(str(path), rev=revision, mode="rb") if content is None else content)
            if beside is not None:
                contents.append(_read_quickly(repo, revision, beside) or b"")
    except SCMError as error:
        raise InputError(f"{name}: neither a DVC experiment nor a git revision") from error
    except (DvcException, FileNotFoundError) as error:
        raise InputError(f"{name}: has no {path}; dvc repro, or dvc exp run, makes it ({error})") from error
    return contents


def name_folds(params: "Params", count: int) -> list[str]:
    """Names of the folds' experiments.

    Whatever shapes a run has a part in them, as it lies here and committed or not: params, code, the graph, the files
    of the competition, summaries made elsewhere, and folders of models. So nothing stale is pooled.
    """
    from hashlib import sha256

    from pipeline.competition.layouts.sources import list_paths, update_digest
    from pipeline.models.folders import compute_fingerprint
    from pipeline.tables import load_bytes

    preprocess = params.preprocess.model_copy(update={"fold": 0})
    shape = sha256(params.model_copy(update={"preprocess": preprocess}).model_dump_json().encode())
    model = params.model
    files = [Path("dvc.yaml"), *sorted(Path("pipeline").rglob("*.py")), *map(Path, params.score.external)]
    for file in files:
        content = load_bytes(file)
        shape.update(f"\0{file}\0{len(content)}\0".encode() + content)
    data = params.data
    roles = [data.train, data.test, data.sample_submission, *(extra.path for extra in data.extra)]
    for file in [path for names in roles for path in list_paths(data.folder, names)]:
        shape.update(f"\0{file}\0{file.stat().st_size}\0".encode())
        update_digest(shape, file)
    for name in (model.name, model.encoder, model.decoder, params.train.distill.teacher):
        if name and Path(name).is_dir():
            shape.update(compute_fingerprint(Path(name)).encode())
    return [f"fold{fold}-{shape.hexdigest()[:8]}" for fold in range(count)]


def has_run(name: str) -> bool:
    """Whether an experiment is there, up to its test predictions."""
    with suppress(InputError):
        return all(load_revision(name, DVC_LOCK, VALID_SCORES, SELECTION, TEST_PREDICTIONS))
    return False


def _get_time(scm: Any, revision: str) -> datetime:
    return datetime.fromtimestamp(scm.resolve_commit(revision).commit_time)


def list_trials(commits: int) -> list[Trial]:
    """Experiments of the last commits, and these.

    Raises:
        InputError: if this is no project of git and DVC.
    """
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    try:
        rows = [row for row in dvc.api.exp_show(num=commits) if row["rev"] != WORKSPACE]
        with Repo() as repo:
            # DVC's table has dates for people, in several forms
            made = [_get_time(repo.scm, resolve_rev(repo.scm, row["rev"])) for row in rows]
    except (DvcException, SCMError) as error:
        raise InputError(f"experiments: cannot be listed: {error}") from error
    trials, base = [], None
    for row, created in zip(rows, made, strict=True):
        is_commit = row["typ"] == "baseline"
        name = row["Experiment"] or row["rev"]
        base = name if is_commit else base
        if row.get("State") in ("Queued", "Running"):
            continue
        try:
            trials.append(Trial(name, created, load_experiment(name), None if is_commit else base))
        except InputError as error:
            reason = error.mistakes[0].partition(" (")[0]
            trials.append(Trial(name, created, None, None if is_commit else base, reason))
    return trials
