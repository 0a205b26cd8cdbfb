"""Submissions and answers: the form of a sample, and files of summaries by id. Bytes in, frames out.

Nothing is guessed or repaired: ids stay the text that they are (`007`, `1.0`, `NA`), and what cannot be meant is
refused with the line it stands in.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.competition.encodings import BOM, find_encoding
from pipeline.competition.records import RecordsFormat, is_records, parse_records_format, read_summaries
from pipeline.competition.sheets import Sheet, check_ids, decode_file, parse_sheet, require_columns
from pipeline.errors import InputError, and_more

if TYPE_CHECKING:
    import pandas as pd

# what pandas, Excel and databases write where nothing is
MISSING = frozenset({"", "nan", "null", "none", "<na>", "#n/a"})


@dataclass(frozen=True)
class Columns:
    """Names of the columns in a competition's files."""

    id: str
    text: str
    summary: str

    def choose(self, header: Sequence[str]) -> "Columns":
        """These, or those of the Upstage competition where a header has them and not these."""
        return UPSTAGE if self.id not in header and UPSTAGE.id in header else self


# dialogues in a CSV; the board wants fname and summary back
UPSTAGE = Columns(id="fname", text="dialogue", summary="summary")


@dataclass(frozen=True)
class SubmissionFormat:
    """The form of a sample submission, which the export must equal.

    `columns` are the header's cells in order; `index_column` is the place of a running index, with a name
    or without, or None; `quote_all`: every cell stands in quotes, not only those that need them.
    """

    ids: list[str]
    columns: list[str]
    id_column: str
    summary_column: str
    index_column: int | None
    encoding: str
    has_bom: bool
    line_end: str
    ends_with_newline: bool
    index_start: int = 0
    quote_all: bool = False
    delimiter: str = ","


def is_missing(value: str) -> bool:
    """Whether a cell holds nothing that can be read: blank, or what programs write for "nothing"."""
    return value.strip().lower() in MISSING


def normalise_text(text: str) -> str:
    """Unix line ends, no space around. What more is done to texts, preprocess.clean says (NFC is a rule of it)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def parse_answers(content: bytes, source: str, columns: Columns, encoding: str | None) -> "pd.DataFrame":
    """A file of true summaries by id, CSV or records: `id` and `summaries` (list of str). Raises InputError.

    Args:
        encoding: None for whichever of the supported ones it is, where data.encoding says nothing of the file.
    """
    import pandas as pd

    text = decode_file(content, source, encoding)
    if is_records(text):
        form = parse_records_format(text, source, (columns.id, columns.summary), encoding or "utf-8")
        ids, summaries = form.ids, read_summaries(form, source)
    else:
        sheet = parse_sheet(text, source, frozenset({columns.id, columns.summary}))
        columns = columns.choose(sheet.header)
        require_columns(sheet.header, [columns.id, columns.summary], source)
        places = [sheet.header.index(name) for name in (columns.id, columns.summary)]
        ids, summaries = ([row[place] for row in sheet.rows] for place in places)
        check_ids(ids, sheet.lines, source)
        summaries = [[summary] for summary in summaries]
    return pd.DataFrame({"id": ids, "summaries": [list(map(normalise_text, many)) for many in summaries]})


def parse_predictions(content: bytes, source: str, columns: Columns, encoding: str | None) -> "pd.DataFrame":
    """A file of one summary an id, such as a submission: `id` and `summary`. Raises InputError. As `parse_answers`."""
    table = parse_answers(content, source, columns, encoding)
    if several := [(name, len(many)) for name, many in zip(table["id"], table["summaries"], strict=True) if many[1:]]:
        name, count = several[0]
        raise InputError(
            f"{source}: id {name!r} has {count} summaries{and_more(len(several) - 1)}; a submission has one an id"
        )
    return table[["id"]].assign(summary=table["summaries"].str[0])


def parse_submission_format(
    content: bytes, source: str, columns: Columns, encoding: str
) -> SubmissionFormat | RecordsFormat:
    """The form of a sample submission: everything but the summaries. Raises InputError."""
    encoding = find_encoding(partial(io.BytesIO, content), source, encoding)
    text = decode_file(content, source, encoding)
    if is_records(text):
        return parse_records_format(text, source, (columns.id, columns.summary), encoding)
    sheet = parse_sheet(text, source, frozenset({columns.id, columns.summary}))
    columns = columns.choose(sheet.header)
    require_columns(sheet.header, [columns.id, columns.summary], source)
    if sheet.header.count("") > 1:
        raise InputError(f"{source}: has {sheet.header.count('')} unnamed columns; one can be a running index")
    index = next((i for i, name in enumerate(sheet.header) if name == ""), None)
    extra = [name for name in sheet.header if name not in (columns.id, columns.summary, "")]
    if index is None and len(extra) == 1 and _is_running([row[sheet.header.index(extra[0])] for row in sheet.rows]):
        index, extra = sheet.header.index(extra[0]), []
    if extra:
        raise InputError(f"{source}: column {extra[0]!r} is neither {columns.id!r} nor {columns.summary!r}")
    place = sheet.header.index(columns.id)
    ids = [row[place] for row in sheet.rows]
    check_ids(ids, sheet.lines, source)
    start = _read_index_start(sheet, index, source)
    return SubmissionFormat(
        ids=ids,
        columns=sheet.header,
        id_column=columns.id,
        summary_column=columns.summary,
        index_column=index,
        encoding=encoding,
        has_bom=text.startswith(BOM),
        line_end=sheet.line_end or "\n",
        ends_with_newline=text.endswith(("\n", "\r")),
        index_start=start,
        # a header needs no quotes, so one that has them shows a writer that quotes everything
        quote_all=text.removeprefix(BOM).startswith('"'),
        delimiter=sheet.delimiter,
    )


def _is_running(cells: list[str]) -> bool:
    """Whether cells count up by one: an index that has a name. A constant 0 to be filled in is none."""
    start = int(cells[0]) if cells[0].isdecimal() else 0
    return len(cells) > 1 and cells == [str(start + i) for i in range(len(cells))]


def _read_index_start(sheet: Sheet, index: int | None, source: str) -> int:
    """The first number of an unnamed index column; anything but a running number is refused."""
    if index is None:
        return 0
    cells = [row[index] for row in sheet.rows]
    start = int(cells[0]) if cells[0].isdecimal() else 0
    expected = [str(start + i) for i in range(len(cells))]
    wrong = [i for i, (cell, number) in enumerate(zip(cells, expected, strict=True)) if cell != number]
    if wrong:
        raise InputError(
            f"{source}: line {sheet.lines[wrong[0]]}: the unnamed column holds {cells[wrong[0]]!r}, not a running index"
        )
    return start
