"""CSV as it has to be: decoded, with as many cells a row as the header has, and known by line."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from pipeline.competition.encodings import BOM, find_encoding
from pipeline.errors import InputError, and_more

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
# a document can be longer than the csv module's 131,072 characters
csv.field_size_limit(2**31 - 1)
# the likeliest first; rows that are looked at to tell which
_DELIMITERS, _ROWS = ",\t;|", 50


@dataclass(frozen=True)
class Sheet:
    """A parsed CSV: header, rows, the line each ends in, what ends the header's line, what parts cells."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    line_end: str
    delimiter: str


def decode_file(content: bytes, source: str, encoding: str | None) -> str:
    """A file's text.

    Args:
        encoding: None for whichever of utf-8, utf-16 and cp949 it is.

    Raises:
        InputError: with the line that is not of the encoding, and the one that would be; with the line of a character
            that no text has.
    """
    text = content.decode(find_encoding(partial(io.BytesIO, content), source, encoding))
    check_characters(text, source, by_line=True)
    return text


def can_encode(text: str, encoding: str) -> bool:
    """Whether an encoding has all of a text's characters."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def check_characters(text: str, where: str, by_line: bool = False) -> None:
    """Raises InputError for a NUL, at which tokenizers written in C stop reading, and for half a pair of surrogates,
    which no encoding can write."""
    if found := _NO_TEXT.search(text):
        line = f": line {text.count(chr(10), 0, found.start()) + 1}:" if by_line else ""
        kind = "a NUL character" if found[0] == "\0" else "half a character (a lone surrogate)"
        raise InputError(f"{where}{line} holds {kind}, U+{ord(found[0]):04X}; take it out of the file")


def check_lines(lines: Iterable[str], source: str) -> Iterator[str]:
    """The lines of a file as they are taken. Raises InputError as `check_characters`, by line."""
    for number, line in enumerate(lines, 1):
        if _NO_TEXT.search(line):
            check_characters(line, f"{source}: line {number}:")
        yield line


def parse_sheet(text: str, source: str, known: frozenset[str] = frozenset()) -> Sheet:
    """Strict CSV: every row has as many fields as the header, every quote is closed. Raises InputError by line.

    Args:
        known: names of columns, by which the delimiter is told.
    """
    body = text.removeprefix(BOM)
    delimiter = find_delimiter(body, known)
    (_, header), *rows = read_rows(io.StringIO(body, newline=""), source, delimiter)
    if not rows:
        raise InputError(f"{source}: has a header and no rows")
    end = _find_line_end(next(io.StringIO(body, newline="")))
    return Sheet(header, [cells for _, cells in rows], [line for line, _ in rows], end, delimiter)


def read_rows(stream: Iterable[str], source: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The line that a row ends in, and its cells; the header first. Raises InputError by line."""
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        if not any(name.strip() for name in header):
            raise InputError(f"{source}: has no header line")
        yield reader.line_num, header
        for row in reader:
            if not row:
                continue  # a blank line between rows or at the end
            if len(row) != len(header):
                raise InputError(
                    f"{source}: line {reader.line_num}: {len(row)} fields, but the header has {len(header)}"
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{source}: line {reader.line_num}: {error} (a quote left open or misplaced?)") from error


def find_delimiter(text: str, known: frozenset[str]) -> str:
    """The delimiter that splits a header into the most known names, or else its rows into equally many cells.

    csv.Sniffer counts characters of the whole text, and prose has its own.

    Args:
        text: the beginning of a file, the last row of it perhaps cut.
    """
    ranks = {}
    for delimiter in _DELIMITERS:
        try:
            rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _ROWS))
        except csv.Error:
            continue
        header = rows[0] if rows else []
        alike = sum(len(row) == len(header) for row in rows) if len(header) > 1 else 0
        ranks[delimiter] = (len(known.intersection(header)) if len(header) > 1 else 0, alike)
    if text.split("\n", 1)[0].strip() in known:
        # one column: of all delimiters prose has tabs least
        return "\t"
    return max(ranks, key=ranks.__getitem__, default=",")


def _find_line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def require_columns(header: list[str], names: list[str], source: str) -> None:
    """Raises InputError if a header lacks one of the columns, or has it twice."""
    missing = [name for name in names if name not in header]
    if missing:
        raise InputError(
            f"{source}: has no column {', '.join(map(repr, missing))}; its columns are {', '.join(map(repr, header))} "
            "(data.id_column, data.text_column and data.summary_column name them)"
        )
    repeated = [name for name in names if header.count(name) > 1]
    if repeated:
        raise InputError(f"{source}: column {repeated[0]!r} stands {header.count(repeated[0])} times in the header")


def check_ids(ids: list[str], lines: list[int], source: str) -> None:
    """Raises InputError if an id is blank or stands twice."""
    blank = [line for value, line in zip(ids, lines, strict=True) if not value.strip()]
    if blank:
        raise InputError(f"{source}: line {blank[0]}: the id is missing{and_more(len(blank) - 1, 'row')}")
    seen: dict[str, int] = {}
    repeated = []
    for value, line in zip(ids, lines, strict=True):
        if value in seen:
            repeated.append((value, line, seen[value]))
        seen.setdefault(value, line)
    if repeated:
        value, line, first = repeated[0]
        raise InputError(
            f"{source}: line {line}: id {value!r} stands in line {first} already{and_more(len(repeated) - 1, 'row')}"
        )
