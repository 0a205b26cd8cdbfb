"""CSV as it has to be: decoded, with as many cells a row as the header has, and known by line."""

import csv
import io
import re
from dataclasses import dataclass

from pipeline.errors import InputError, and_more

BOM = "\ufeff"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
# a document can be longer than the csv module's 131,072 characters
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Sheet:
    """A parsed CSV: header, rows, the line each row ends in, and the characters that end the header's line."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    line_end: str


def decode_file(content: bytes, source: str, encoding: str | None) -> str:
    """A file's text.

    Args:
        encoding: None for whichever of utf-8, utf-16 and cp949 it is.

    Raises:
        InputError: with the line that is not of the encoding, and the one that would be; with the line of a character
            that no text has.
    """
    if not content:
        raise InputError(f"{source}: is empty (0 bytes)")
    if encoding is None and (encoding := _guess_encoding(content)) is None:
        raise InputError(f"{source}: is neither utf-8 nor utf-16 nor cp949")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = _guess_encoding(content)
        raise InputError(
            f"{source}: line {line}: byte 0x{content[error.start]:02x} is not {encoding}"
            + (f"; the file reads as {hint}: set data.encoding: {hint}" if hint and hint != encoding else "")
        ) from error
    check_characters(text, source, by_line=True)
    return text


def _guess_encoding(content: bytes) -> str | None:
    kinds = ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8", "cp949")
    return next((encoding for encoding in kinds if _can_decode(content, encoding)), None)


def _can_decode(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


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


def parse_sheet(text: str, source: str) -> Sheet:
    """Strict CSV: every row has as many fields as the header, every quote is closed. Raises InputError by line."""
    physical = list(io.StringIO(text.removeprefix(BOM), newline=""))
    reader = csv.reader(physical, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader, [])
        line_end = _find_line_end(physical[reader.line_num - 1]) if physical else ""
        for row in reader:
            if not row:
                continue  # a blank line between rows or at the end
            if len(row) != len(header):
                raise InputError(
                    f"{source}: line {reader.line_num}: {len(row)} fields, but the header has {len(header)}"
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{source}: line {reader.line_num}: {error} (a quote left open or misplaced?)") from error
    if not any(name.strip() for name in header):
        raise InputError(f"{source}: has no header line")
    if not rows:
        raise InputError(f"{source}: has a header and no rows")
    return Sheet(header, rows, lines, line_end)


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
