"""The ledger of submissions: what was uploaded, what validation promised, and what the board answered.

Pure: bytes and rows in, rows and lines out. `submissions` reads and writes the file, under a lock.
"""

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.history.leaderboard import build_table
from pipeline.paths import LEDGER
from pipeline.scoring.leaderboard import abbreviate

if TYPE_CHECKING:
    from rich.table import Table

_NUMBERS = ("validation", "validation_low", "validation_high", "public", "private")
# what validation's score means: only scores of one scale can be ranked
_SCALE = ("tokenizer", "weights", "split")
_IDENTITY = ("name", "sha256", "time", "git_revision", "dirty", "params_digest", "data_fingerprint", "row")
COLUMNS = (*_IDENTITY, *_NUMBERS[:3], *_SCALE, *_NUMBERS[3:])
Row = dict[str, str]
# of a SHA-256 the table shows so many digits, and by as many a file can be named
_DIGITS = 8


def parse_ledger(content: bytes, source: str) -> list[Row]:
    """The rows of a ledger, oldest first, also as a spreadsheet saves them (BOM, semicolons or tabs, cp949).

    A ledger of before there were scales has none: these cells are blank. Columns of the participant's own are kept.

    Raises:
        InputError: if it is none, or a number is none, by row and column.
    """
    text = _decode(content, source)
    header = text.partition("\n")[0]
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
        reader.fieldnames = names = [name.strip() for name in reader.fieldnames or ()]
        found = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{source}: is not a ledger: {error}") from error
    if wrong := [name for name in COLUMNS if names.count(name) != 1 and not (name in _SCALE and name not in names)]:
        raise InputError(f"{source}: has column {wrong[0]!r} {names.count(wrong[0])} times; its columns are {names}")
    rows: list[Row] = []
    mistakes = []
    for number, cells in found:
        surplus = "".join(cells.pop(None, []))  # type: ignore[call-overload]
        if surplus.strip() or None in cells.values():
            raise InputError(f"{source}: row {number}: not {len(names)} fields")
        row = dict.fromkeys(COLUMNS, "") | {name: cell.strip() for name, cell in cells.items()}
        if any(row.values()):
            rows.append(row | {"dirty": row["dirty"].lower()})
            mistakes += [
                f"{source}: row {number}: {key}: {row[key]!r} is not a number" for key in _find_no_numbers(row)
            ]
    if mistakes:
        raise InputError(mistakes)
    return rows


def _decode(content: bytes, source: str) -> str:
    """Excel saves UTF-8 with a BOM, what it calls Unicode text as UTF-16, and plain CSV as cp949 in Korea."""
    encodings = ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp949")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{source}: is not a ledger: neither UTF-8 nor cp949")


def _find_no_numbers(row: Row) -> list[str]:
    def is_number(cell: str) -> bool:
        try:
            return math.isfinite(float(cell))
        except ValueError:
            return False

    return [key for key in _NUMBERS if row[key] and not is_number(row[key])]


def render_ledger(rows: Sequence[Row]) -> bytes:
    """The ledger as CSV."""
    out = io.StringIO(newline="")
    columns = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def merge_ledgers(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Both ledgers' rows, each file once, oldest first; what one leaves blank of a file, the other fills in."""
    merged: dict[tuple[str, ...], Row] = {}
    for row in (*others, *rows):
        key = (row["sha256"],) if row["sha256"] else (row["name"], row["time"])
        merged[key] = {**row, **merged.get(key, {}), **{name: cell for name, cell in row.items() if cell}}
    return sorted(merged.values(), key=lambda row: row["time"]) if others else list(rows)


def find_identical(rows: Sequence[Row], sha256: str) -> Row | None:
    """The row that lists a file of the same content, for it is listed once."""
    return next((row for row in rows if row["sha256"] == sha256), None)


def find_submission(rows: Sequence[Row], name: str, files: dict[str, str]) -> Row:
    """The row of the file that lies there under a name; where none does, of the file whose SHA-256 begins so.

    Args:
        files: path and SHA-256 of each file of the name.

    Raises:
        InputError: if the ledger does not list the file, or lists several of that name.
    """
    known = ", ".join(dict.fromkeys(row["name"] for row in rows)) or "none yet; export lists them"
    if not files:
        begun = [row for row in rows if len(name) >= _DIGITS and row["sha256"].startswith(name.lower())]
        if len(begun) != 1:
            raise InputError(f"submissions/: there is no submission {name!r}; submissions: {known}")
        return begun[0]
    listed = {path: row for path, digest in files.items() if (row := find_identical(rows, digest))}
    if not listed:
        path, digest = next(iter(files.items()))
        raise InputError(
            f"{path}: {LEDGER} lists no such file (SHA-256 {digest[:_DIGITS]}); python -m pipeline export lists what "
            "it writes, and a listed file that lies here no more goes by its sha256 in leaderboard show"
        )
    if len({row["sha256"] for row in listed.values()}) > 1:
        raise InputError(f"submissions/: {' and '.join(listed)} are different submissions; say which, with its suffix")
    return next(iter(listed.values()))


def record_scores(rows: Sequence[Row], sha256: str, public: float | None, private: float | None) -> list[Row]:
    """The ledger with the board's answer to the file of this content.

    Raises:
        InputError: if there is nothing to record.
    """
    if public is None and private is None:
        raise InputError("leaderboard record: give --public, --private or both")
    answers = {"public": public, "private": private}
    for key, value in answers.items():
        if value is not None and not math.isfinite(value):
            raise InputError(f"leaderboard record: --{key}: {value} is not a score")
    changed = {key: repr(value) for key, value in answers.items() if value is not None}
    return [row | changed if row["sha256"] == sha256 else row for row in rows]


def describe_row(row: Row) -> str:
    """A submission so that it cannot be taken for another of its name."""
    parts = [f"of {row['time'][:16]}" if row["time"] else "", row["row"]]
    parts += [f"{key} {row[key]}" for key in ("validation", "public", "private") if row[key]]
    return f"{row['name']} ({', '.join(part for part in (*parts, 'sha256 ' + row['sha256'][:_DIGITS]) if part)})"


def get_scale(row: Row) -> tuple[str, ...]:
    """What the row's validation score was made with; blanks where the ledger does not know it."""
    return tuple(row[key] for key in _SCALE)


def name_scales(rows: Sequence[Row]) -> dict[tuple[str, ...], str]:
    """A letter a scale, in the order of their first submission; `?` for the unknown one."""
    scales = dict.fromkeys(get_scale(row) for row in rows if row["validation"])
    known = [scale for scale in scales if any(scale)]
    # as a spreadsheet's columns would go on: A, B, ..., Z, and then by number
    letters = {scale: chr(ord("A") + i) if i < 26 else str(i) for i, scale in enumerate(known)}
    return {scale: letters.get(scale, "?") for scale in scales}


def render_table(rows: Sequence[Row], wide: bool = False) -> "Table":
    """A row a submission, oldest first.

    Args:
        wide: with times, revisions and whole names; else what fits into a hundred characters.
    """
    scales = name_scales(rows)
    columns = ("submission", "time", "row", "validation (interval)", "scale", "public", "private", "revision", "sha256")
    table = build_table(wide, *(name for name in columns if wide or name != "revision"))
    for row in rows:
        numbers = [float(row[key]) for key in _NUMBERS[:3] if row[key]]
        noise = f"{numbers[0]:.4f} ({numbers[1]:.4f} … {numbers[2]:.4f})" if len(numbers) == 3 else row["validation"]
        if not wide:
            noise = f"{numbers[0]:.4f} ({numbers[1]:.3f} … {numbers[2]:.3f})" if len(numbers) == 3 else noise
        revision = row["git_revision"][:7] + ("+" if row["dirty"] == "true" else "")
        known = [noise, scales.get(get_scale(row), "") if row["validation"] else "", row["public"], row["private"]]
        name = row["row"] if wide else abbreviate(row["row"])
        last = [revision, row["sha256"][:_DIGITS]] if wide else [row["sha256"][:_DIGITS]]
        table.add_row(row["name"], row["time"][: 16 if wide else 10], name, *known, *last)
    return table
