"""Every submission that export writes is listed in the ledger, and the board's answer to it is recorded there.

The ledger lies in a folder that holds its own .gitignore. So git and DVC leave it alone whatever they check out, stash
or apply, also in commits that have never heard of it: a line in the project's .gitignore would come and go with them.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.competition.layouts.sources import list_paths, update_digest
from pipeline.errors import InputError
from pipeline.history.git import describe_git, find_project
from pipeline.history.ledger import (
    COLUMNS,
    Row,
    find_identical,
    find_submission,
    merge_ledgers,
    parse_ledger,
    record_scores,
    render_ledger,
)
from pipeline.models.folders import replace_directory
from pipeline.paths import DETAILS, LEDGER, METRICS, SELECTION, SUBMISSIONS, TRACKED_LEDGER
from pipeline.tables import load_bytes, load_json, lock_folder, save_bytes

if TYPE_CHECKING:
    from pipeline.params.file_sections import DataParams
    from pipeline.params.reading import Params


def load_ledger() -> list[Row]:
    """The rows of the ledger, with what the one of earlier versions still holds, where that lies here.

    Raises:
        InputError: if one of them is damaged.
    """
    project = find_project(Path())
    ledgers = {path: project / path for path in (LEDGER, TRACKED_LEDGER)}
    rows = [parse_ledger(load_bytes(file), str(path)) if file.is_file() else [] for path, file in ledgers.items()]
    return merge_ledgers(*rows)


def find_tracked_ledger() -> str | None:
    """One line, where a ledger of earlier versions lies here: git tracks it, so a checkout takes its answers back."""
    if not (find_project(Path()) / TRACKED_LEDGER).is_file():
        return None
    return f"{TRACKED_LEDGER}: its rows stand in {LEDGER} now, which git leaves alone; git rm {TRACKED_LEDGER}"


def append_to_ledger(name: str, content: bytes, params: "Params") -> str | None:
    """Lists a submission; if a file of the same content is listed already, gives the name of that instead.

    Raises:
        InputError: if the ledger is damaged; it is left as it is.
    """
    row = _describe_submission(name, content, params)
    with lock_folder(_find_folder()):
        rows = load_ledger()
        same = find_identical(rows, row["sha256"])
        _save_ledger(rows if same else [*rows, row])
    return same["name"] if same else None


def record_answers(name: str, public: float | None, private: float | None) -> Row:
    """Writes the board's answer into the row of the file that lies in submissions/ under this name now.

    Args:
        name: with or without suffix; or, for a file that lies there no more, the first digits of its SHA-256.

    Returns:
        The row, with the answer.

    Raises:
        InputError: if no row lists this file, or there is nothing to record.
    """
    paths = sorted(p for p in SUBMISSIONS.iterdir() if name in (p.name, p.stem)) if SUBMISSIONS.is_dir() else []
    files = {str(path): sha256(load_bytes(path)).hexdigest() for path in paths if path.is_file()}
    with lock_folder(_find_folder()):
        rows = load_ledger()
        digest = find_submission(rows, name, files)["sha256"]
        recorded = record_scores(rows, digest, public, private)
        _save_ledger(recorded)
    return next(row for row in recorded if row["sha256"] == digest)


def save_texts(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes a submission's texts by file name into a folder that is replaced whole, or left as it was."""
    with replace_directory(folder) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)


def _find_folder() -> Path:
    # a copy of the project is thrown away after its run, and the ledger is everybody's
    return find_project(Path()) / LEDGER.parent


def _save_ledger(rows: list[Row]) -> None:
    folder = _find_folder()
    if not (folder / ".gitignore").is_file():
        save_bytes(b"*\n", folder / ".gitignore")
    save_bytes(render_ledger(rows), folder / LEDGER.name)


def _describe_submission(name: str, content: bytes, params: "Params") -> Row:
    found = (METRICS / "scores.json", DETAILS / "scores.json", SELECTION)
    scores, details, selection = (load_json(file) if file.is_file() else {} for file in found)
    revision, dirty = describe_git()
    return dict.fromkeys(COLUMNS, "") | {
        "name": name,
        "sha256": sha256(content).hexdigest(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": revision,
        "dirty": dirty,
        "params_digest": sha256(params.model_dump_json().encode()).hexdigest()[:16],
        "data_fingerprint": _fingerprint(params.data),
        "row": selection.get("name", ""),
        "validation": str(scores.get("score", "")),
        **{f"validation_{end}": str(scores.get(end, "")) for end in ("low", "high")},
        **_describe_scale(details.get("scale", {})),
    }


def _fingerprint(data: "DataParams") -> str:
    """Digits that tell one competition's files from another's; files that are not there any more are left out."""
    digest = sha256()
    for names in (data.train, data.test, data.sample_submission):
        with suppress(InputError):
            for path in list_paths(data.folder, names):
                update_digest(digest, path)
    return digest.hexdigest()[:16]


def _describe_scale(scale: dict) -> Row:
    weights = " ".join(f"{metric} {weight:g}" for metric, weight in scale.get("weights", {}).items())
    return {"tokenizer": scale.get("tokenizer", ""), "weights": weights, "split": scale.get("split", "")}
