"""The tables between stages: their columns, checked reads, atomic writes.

Every file is written beside its place, synced and renamed, so a killed process or a full disk leaves the old file or
the new one, never half of one (rename is atomic on POSIX).
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# column -> Arrow type, in the order of the file
LABELLED = {"id": "string", "text": "string", "summaries": "list<string>"}
UNLABELLED = {"id": "string", "text": "string"}
TEXTS = {"document": "int64", "text": "string"}
CANDIDATES = {
    "id": "string",
    "configuration": "string",
    "candidate": "int64",
    "text": "string",
    "tokens": "int64",
    "finished": "bool",
}
# of task: generation, with minus the log-likelihood that the tuned model gives to the text, in nats
CONTINUATIONS = {**CANDIDATES, "nats": "double"}
# minus the log-likelihood of texts, in nats, under the tuned model, and under the base without the document
LIKELIHOODS = {"id": "string", "text": "string", "tokens": "int64", "nats": "double", "base_nats": "double"}
# candidates of training documents, with the log-probability (of all tokens, in nats) that the model that wrote them
# gives them, and their weighted ROUGE
EXPLORED = {
    "id": "string",
    "candidate": "int64",
    "text": "string",
    "token_ids": "list<int64>",
    "log_probability": "double",
    "finished": "bool",
    "score": "double",
}
SCORES = {
    "id": "string",
    "name": "string",
    "kind": "string",
    "text": "string",
    "score": "double",
    "rouge1": "double",
    "rouge2": "double",
    "rougeL": "double",
}
PREDICTIONS = {"id": "string", "summary": "string"}
# rows of a table that are written together
_ROW_GROUP = 2**15


def load_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        InputError: if it is missing, a directory, or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory, not a file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def save_bytes(content: bytes, path: Path) -> None:
    """Writes a file atomically, making its folders."""
    with replace_file(path) as file:
        file.write(content)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """A temporary file, open for writing, that takes the place of `path` when the block ends well."""
    path = Path(path)
    with name_in_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; a result is as readable as any other file
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """A full disk names no file, and a missing right the temporary one: an OSError of either names `path` instead."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and f"/.{path.name}." in f"{error.filename or f'/.{path.name}.'}":
            error.filename = str(path)
        raise


@contextmanager
def lock_folder(folder: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds a folder for reading a file in it and writing it anew; another process waits for its turn.

    The lock is on the folder itself, so that it leaves no file behind and outlives the file's replacement. Who holds a
    folder may remove it; the next one makes it again.

    Args:
        on_wait: called before each wait for another process.
    """
    import fcntl

    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            # who held it has just removed it
            continue
        try:
            if on_wait and not _try_lock(handle):
                on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, folder):
                yield
                return
        finally:
            os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether a living process holds a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(handle: int, folder: Path) -> bool:
    """Whether an open folder is the one that lies at a path, and not one that was removed."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder))
    except FileNotFoundError:
        return False


def load_table(path: Path, columns: dict[str, str]) -> "pd.DataFrame":
    """Reads a table of the graph and checks its columns and types.

    Raises:
        InputError: if the file is not parquet or is not such a table.
    """
    return parse_table(load_bytes(path), str(path), columns)


def parse_table(content: bytes, source: str, columns: dict[str, str]) -> "pd.DataFrame":
    """As `load_table`, of bytes; `source` names them in what is raised."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # where memory is too short for threads (`ulimit -v`), pyarrow would wait for them for ever
        table = pq.read_table(pa.BufferReader(content), use_threads=False, pre_buffer=False)
        names = table.schema.names
    # of names and texts that are no UTF-8 Python finds that out
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: is not a parquet file ({error})") from error
    expected = _build_schema(columns)
    if names != expected.names:
        raise InputError(f"{source}: has columns {names}, not {expected.names}")
    try:
        table = table.cast(expected)
        # pandas would find texts that are no UTF-8 when they are looked at
        table.validate(full=True)
        return table.to_pandas(use_threads=False)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{source}: {error}") from error


def save_table(frame: "pd.DataFrame", path: Path, columns: dict[str, str]) -> None:
    """Writes the named columns of a frame as parquet, atomically; the same frame gives the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _build_schema(columns)
    with replace_file(path) as file, pq.ParquetWriter(file, schema) as writer:
        # a part after the other, so that a large table is not in memory twice
        for start in range(0, max(len(frame), 1), _ROW_GROUP):
            table = pa.Table.from_pandas(frame.iloc[start : start + _ROW_GROUP], schema=schema, preserve_index=False)
            # pandas' own metadata holds version numbers, and how texts were put together shows in the pages; without
            # either the bytes depend on the values alone
            writer.write_table(table.replace_schema_metadata(None).combine_chunks())


def save_empty_table(path: Path, columns: dict[str, str]) -> None:
    """Writes a table without rows: what a stage leaves where it is off."""
    import pandas as pd

    save_table(pd.DataFrame(columns=list(columns)), path, columns)


def _build_schema(columns: dict[str, str]) -> Any:
    import pyarrow as pa

    kinds = {"list<string>": pa.list_(pa.string()), "string": pa.string(), "int64": pa.int64(), "bool": pa.bool_()}
    kinds |= {"double": pa.float64(), "list<int64>": pa.list_(pa.int64())}
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def load_json(path: Path) -> Any:
    """Reads a JSON file, or raises InputError."""
    try:
        return json.loads(load_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}") from error


def load_record(path: Path, *keys: str) -> dict[str, Any]:
    """Reads a JSON file that a stage wrote: an object with at least these keys. Raises InputError if it is none."""
    record = load_json(path)
    if not isinstance(record, dict) or any(key not in record for key in keys):
        raise InputError(f"{path}: is not what its stage writes; run that stage again")
    return record


def save_json(value: Any, path: Path) -> None:
    """Writes JSON that a person and `git diff` can read."""
    save_bytes((json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode(), path)


def load_csv(path: Path, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> "pd.DataFrame":
    """Reads a CSV file that a stage wrote: at least these columns, texts and ids as they stand; what is empty is an
    empty text, or NaN.

    Raises:
        InputError: if it is missing, is no CSV, or holds anything else there.
    """
    import io

    import pandas as pd

    content = load_bytes(path)
    try:
        frame = pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise InputError(f"{path}: is not what its stage writes ({error}); run that stage again") from error
    if missing := [name for name in (*texts, *numbers) if name not in frame.columns]:
        raise InputError(f"{path}: has no column {missing[0]!r}; run its stage again")
    if wrong := [name for name in numbers if len(frame) and not pd.api.types.is_numeric_dtype(frame[name])]:
        raise InputError(f"{path}: column {wrong[0]!r} holds what is no number; run its stage again")
    return frame.fillna(dict.fromkeys(texts, ""))


def save_csv(frame: "pd.DataFrame", path: Path) -> None:
    """Writes a frame as UTF-8 CSV without its index."""
    save_bytes(frame.to_csv(index=False, lineterminator="\n").encode(), path)
