"""What earlier runs left: experiments, revisions, the ledger of submissions."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.loading import (
    LEDGER,
    METRICS,
    PARAMS,
    SELECTION,
    VALID_SCORES,
    WORKSPACE,
    load_params,
)
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.history.compare import Experiment


def load_experiment(name: str) -> "Experiment":
    """What an experiment chose, from the workspace, a git revision or a DVC experiment."""
    import json

    from ruamel.yaml import YAML

    from pipeline.history.compare import Experiment, flatten_params
    from pipeline.tables import SCORES, parse_table

    source = f"{VALID_SCORES} of {name}"
    files = {path: load_revision(name, path) for path in (PARAMS, SELECTION, VALID_SCORES)}
    scores = parse_table(files[VALID_SCORES], source, SCORES)
    row = json.loads(files[SELECTION])["name"]
    chosen = scores.loc[scores["name"] == row]
    if chosen.empty:
        raise InputError(f"{source}: has no row {row!r}, which {SELECTION} names")
    values = YAML(typ="safe", pure=True).load(files[PARAMS].decode())
    return Experiment(name, flatten_params(values), row, chosen)


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


def describe_git() -> tuple[str, str]:
    """The commit, and whether code or params differ from it (`true`, `false`); blanks outside git."""
    import subprocess

    def ask(*command: str) -> str:
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    with suppress(FileNotFoundError):
        if revision := ask("rev-parse", "HEAD"):
            # results and dvc.lock change with every run; what a submission depends on is the rest
            changed = ask("status", "--porcelain", "--", "pipeline", "params.yaml", "dvc.yaml")
            return revision, "true" if changed else "false"
    return "", ""


def find_project(folder: Path) -> Path:
    """The project's own folder, also from the copy of it in which DVC runs an experiment of its queue."""
    for parent in folder.resolve().parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return folder


def append_to_ledger(name: str, content: bytes, data: Any, params_file: Path) -> None:
    """Lists a submission, unless a file of the same content is listed already."""
    from datetime import UTC, datetime
    from hashlib import sha256

    from pipeline.history.ledger import COLUMNS, find_identical, parse_ledger, render_ledger
    from pipeline.tables import load_bytes, load_json, lock_folder, save_bytes

    files = [Path(file) for file in (data.train, data.test, data.sample_submission)]
    scores = load_json(METRICS / "scores.json") if (METRICS / "scores.json").is_file() else {}
    selected = scores.get("selected", {})
    revision, dirty = describe_git()
    values = {
        "name": name,
        "sha256": sha256(content).hexdigest(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": revision,
        "dirty": dirty,
        "params_digest": sha256(load_params(params_file).model_dump_json().encode()).hexdigest()[:16],
        "data_fingerprint": sha256(b"".join(load_bytes(f) for f in files if f.is_file())).hexdigest()[:16],
        "row": scores.get("selected_name", ""),
        **{f"validation{end}": str(selected.get(f"score{end}", "")) for end in ("", "_low", "_high")},
    }
    # a copy is thrown away after its run, and the ledger is everybody's
    ledger = find_project(Path()) / LEDGER
    with lock_folder(ledger.parent):
        rows = parse_ledger(load_bytes(ledger), str(LEDGER)) if ledger.is_file() else []
        if same := find_identical(rows, values["sha256"]):
            typer.echo(f"{LEDGER}: the same content is listed already, as {same['name']}")
            return
        save_bytes(render_ledger([*rows, dict.fromkeys(COLUMNS, "") | values]), ledger)
