"""Every submission that export writes is listed in the ledger."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.history.git import describe_git, find_project
from pipeline.history.ledger import COLUMNS, Row, find_identical, parse_ledger, render_ledger
from pipeline.paths import LEDGER, METRICS, SELECTION
from pipeline.tables import load_bytes, load_json, lock_folder, save_bytes

if TYPE_CHECKING:
    from pipeline.params.reading import Params


def append_to_ledger(name: str, content: bytes, params: "Params") -> str | None:
    """Lists a submission; if a file of the same content is listed already, gives the name of that instead."""
    row = _describe_submission(name, content, params)
    # a copy of the project is thrown away after its run, and the ledger is everybody's
    ledger = find_project(Path()) / LEDGER
    with lock_folder(ledger.parent):
        rows = parse_ledger(load_bytes(ledger), str(LEDGER)) if ledger.is_file() else []
        if same := find_identical(rows, row["sha256"]):
            return same["name"]
        save_bytes(render_ledger([*rows, row]), ledger)
    return None


def _describe_submission(name: str, content: bytes, params: "Params") -> Row:
    data = params.data
    files = [Path(file) for file in (data.train, data.test, data.sample_submission)]
    scores, selection = (load_json(f) if f.is_file() else {} for f in (METRICS / "scores.json", SELECTION))
    revision, dirty = describe_git()
    return dict.fromkeys(COLUMNS, "") | {
        "name": name,
        "sha256": sha256(content).hexdigest(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": revision,
        "dirty": dirty,
        "params_digest": sha256(params.model_dump_json().encode()).hexdigest()[:16],
        "data_fingerprint": sha256(b"".join(load_bytes(f) for f in files if f.is_file())).hexdigest()[:16],
        "row": selection.get("name", ""),
        "validation": str(scores.get("score", "")),
        **{f"validation_{end}": str(scores.get(end, "")) for end in ("low", "high")},
    }
