"""Candidates that were decoded before: adding a configuration decodes only it, and a killed decode goes on.

One SQLite file a model, in the scratch root. An entry is trusted only if its checksum, made over its key and content,
is right: a file that was cut, mixed up or written by something else is decoded again.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pipeline.models.folders import get_scratch_root

if TYPE_CHECKING:
    from pipeline.decoding.beam import Candidate

# part of every key: raised when decoding changes what it gives
FORMAT = 1
# seconds of decoding that a kill may cost
WRITE_SECONDS = 5.0


class CandidateCache:
    """Remembers candidates by model, prompt and configuration.

    Args:
        fingerprint: of the model; None for a cache that forgets everything.
        seed: part of a sample's key.
    """

    def __init__(self, fingerprint: str | None, seed: int):
        self.fingerprint, self.seed = fingerprint, seed
        self.connection = None if fingerprint is None else _connect(fingerprint)
        self.pending: list[tuple[str, str, str]] = []
        self.written = time.monotonic()

    def __enter__(self) -> "CandidateCache":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.connection is not None:
            self._write(self.connection)
            with suppress(sqlite3.Error):
                self.connection.close()

    def build_key(self, example: object, prompt: Sequence[int], settings: dict[str, Any]) -> str:
        """What a configuration's candidates for a prompt depend on, as a digest."""
        drawn = [self.seed, example] if settings.get("do_sample") else []
        parts = [FORMAT, self.fingerprint, list(prompt), sorted(settings.items()), drawn]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def load(self, key: str) -> "list[Candidate] | None":
        """The candidates of a key; None if they are not known, or not to be trusted."""
        if self.connection is None:
            return None
        from pipeline.decoding.beam import Candidate

        try:
            row = self.connection.execute("SELECT content, checksum FROM candidates WHERE key = ?", (key,)).fetchone()
            if row is None or row[1] != _compute_checksum(key, row[0]):
                return None
            return [Candidate(list(tokens), score, float(seconds)) for tokens, score, seconds in json.loads(row[0])]
        except (sqlite3.Error, ValueError, TypeError):
            return None

    def save(self, key: str, candidates: "Sequence[Candidate]") -> None:
        """Remembers candidates; on disk within seconds."""
        if self.connection is None:
            return
        content = json.dumps([[one.tokens, one.score, round(one.seconds, 6)] for one in candidates])
        self.pending.append((key, content, _compute_checksum(key, content)))
        if time.monotonic() - self.written > WRITE_SECONDS:
            self._write(self.connection)

    def _write(self, connection: sqlite3.Connection) -> None:
        """What is pending, in one go: another process that remembers in the same file waits for no longer than that."""
        # a full or broken disk costs the memory, not the decoding
        with suppress(sqlite3.Error, UnicodeDecodeError), connection:
            connection.executemany("INSERT OR REPLACE INTO candidates VALUES (?, ?, ?)", self.pending)
        self.pending.clear()
        self.written = time.monotonic()


def _compute_checksum(key: str, content: str) -> str:
    return hashlib.sha256(f"{key}\n{content}".encode()).hexdigest()


def _connect(fingerprint: str) -> sqlite3.Connection | None:
    """The model's file, made anew if what lies there is no such file; None if there can be none."""
    folder = get_scratch_root() / "candidates"
    path = folder / f"{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.sqlite"
    for _ in range(2):
        with suppress(OSError, sqlite3.Error):
            folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=30)
            try:
                connection.execute("CREATE TABLE IF NOT EXISTS candidates (key PRIMARY KEY, content, checksum)")
                connection.execute("SELECT key, content, checksum FROM candidates LIMIT 1")
                return connection
            except sqlite3.OperationalError:
                # locked by another process for longer than one waits: decode without memory, leave the file alone
                connection.close()
                return None
            # of a table's name that is no UTF-8 Python cannot even tell what SQLite says
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                connection.close()
                path.unlink()
    return None
