"""What the beginning of a file shows: the encoding, and a header's cells or the keys of JSON."""

import csv
import io
from dataclasses import dataclass, field
from itertools import islice

from pipeline.competition.encodings import find_encoding, open_text
from pipeline.competition.layouts.json_limits import Limited
from pipeline.competition.layouts.sources import File
from pipeline.competition.sheets import find_delimiter
from pipeline.errors import InputError

PARQUET = b"PAR1"
# kinds of files that are given to us by mistake, by their first bytes
_FOREIGN = {b"PK\3\4": "a zip or a spreadsheet", b"\xd0\xcf\x11\xe0": "an old Office file", b"%PDF": "a PDF"}
_FOREIGN |= {b"\x1f\x8b": "a gzip archive", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture"}
# characters, and events of a JSON parser, that are looked at
_CHARACTERS, _EVENTS = 2**18, 50_000
# no layout is nested deeper, and a path is as long as the depth
_DEEPEST = 50


@dataclass(frozen=True)
class Peek:
    """The beginning of a file.

    Attributes:
        encoding: for Python's codecs; "" of parquet.
        header: cells of the first line of a delimited file, or names of a parquet's columns.
        paths: where the first value of a JSON file has keys and lists: `documents.item.abstractive`.
        is_list: JSON: the first value is a list.
        is_lines: JSON: another value follows the first.
    """

    encoding: str
    header: tuple[str, ...] = ()
    delimiter: str = ""
    paths: frozenset[str] = field(default_factory=frozenset)
    is_list: bool = False
    is_lines: bool = False

    @property
    def kind(self) -> str:
        """`parquet`, `json` or `delimited`."""
        if not self.encoding:
            return "parquet"
        return "json" if self.paths else "delimited"

    def describe(self) -> str:
        """What was found, for a message."""
        if self.kind != "json":
            return f"columns {', '.join(map(repr, self.header))}"
        inner = {path.removeprefix("item.") for path in self.paths - {"", "item"}}
        keys = ", ".join(repr(key) for key in sorted(inner) if "." not in key)
        what = "a JSON list" if self.is_list else "JSON lines" if self.is_lines else "a JSON object"
        return f"{what} with keys {keys}" if keys else f"{what} without keys"


def peek_file(file: File, encoding: str, known: frozenset[str]) -> Peek:
    """The beginning of a file.

    Args:
        encoding: `auto`, or the one that is declared.
        known: names of columns, by which a header and its delimiter are told.

    Raises:
        InputError: if it is empty, not of the encoding, or of no kind that holds documents.
    """
    with file.open() as stream:
        head = stream.read(8)
    if head.startswith(PARQUET):
        return Peek("", tuple(_read_parquet_names(file)))
    if kind := next((kind for mark, kind in _FOREIGN.items() if head.startswith(mark)), None):
        raise InputError(f"{file.name}: is {kind}, not a file of documents")
    found = find_encoding(file.open, file.name, encoding)
    with open_text(file.open, found) as stream:
        text = stream.read(_CHARACTERS)
    if text.lstrip().startswith(("{", "[")):
        paths, is_lines = _walk_json(text, file.name)
        return Peek(found, paths=paths | {""}, is_list=text.lstrip().startswith("["), is_lines=is_lines)
    delimiter = find_delimiter(text, known)
    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    return Peek(found, tuple(header), delimiter)


def _read_parquet_names(file: File) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with file.open() as stream:
        try:
            return pq.read_schema(stream).names
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file.name}: is no parquet file that can be read: {error}") from error


def _walk_json(text: str, source: str) -> tuple[frozenset[str], bool]:
    """The paths of the first value, and whether another one follows it; what is wrong behind that is not seen yet."""
    import ijson

    paths: set[str] = set()
    depth = 0
    events = ijson.parse(Limited(io.BytesIO(text.encode("utf-8", "replace")), source), multiple_values=True)
    try:
        for prefix, event, _ in islice(events, _EVENTS):
            if depth == 0 and paths:
                return frozenset(paths), True
            if depth > _DEEPEST:
                break
            paths.add(prefix)
            depth += event.startswith("start_") - event.startswith("end_")
    except ijson.JSONError:
        pass
    return frozenset(paths), False
