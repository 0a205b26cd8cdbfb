"""Competition files -> rows of (id, text, summaries). Bytes in, frames out; one reader a format.

Nothing is guessed or repaired: ids stay the text that they are (`007`, `1.0`, `NA`), and what cannot be meant is
refused with the line it stands in.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.competition.records import RecordsFormat, is_records, parse_records_format, read_summaries
from pipeline.competition.sheets import BOM, Sheet, check_ids, decode_file, parse_sheet, require_columns
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


def is_missing(value: str) -> bool:
    """Whether a cell holds nothing that can be read: blank, or what programs write for "nothing"."""
    return value.strip().lower() in MISSING


def normalise_text(text: str) -> str:
    """Unix line ends, no space around. What more is done to texts, preprocess.clean says (NFC is a rule of it)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def parse_train(
    content: bytes, source: str, columns: Columns, encoding: str, drop_invalid: bool
) -> "tuple[pd.DataFrame, list[str]]":
    """A training file's rows, and the ids of those left out because they have no text or no summary.

    Returns:
        A frame with `id` (str), `text` (str) and `summaries` (list of one str), in the file's order.

    Raises:
        InputError: for all that is wrong with the file, by line.
    """
    import pandas as pd

    sheet, where = _parse_documents(
        decode_file(content, source, encoding), source, [columns.id, columns.text, columns.summary]
    )
    blank = {
        i: [name for name in (columns.text, columns.summary) if is_missing(row[where[name]])]
        for i, row in enumerate(sheet.rows)
    }
    invalid = [i for i, names in blank.items() if names]
    if invalid and not drop_invalid:
        first = invalid[0]
        raise InputError(
            f"{source}: line {sheet.lines[first]}: id {sheet.rows[first][where[columns.id]]!r} has no "
            f"{' and no '.join(blank[first])}{and_more(len(invalid) - 1, 'row')}; "
            "mend the file, or leave such rows out with preprocess.clean.empty_summaries: true"
        )
    kept = [row for i, row in enumerate(sheet.rows) if not blank[i]]
    if not kept:
        raise InputError(f"{source}: no row has both {columns.text} and {columns.summary}")
    frame = pd.DataFrame(
        {
            "id": [row[where[columns.id]] for row in kept],
            "text": [normalise_text(row[where[columns.text]]) for row in kept],
            "summaries": [[normalise_text(row[where[columns.summary]])] for row in kept],
        }
    )
    return frame, [sheet.rows[i][where[columns.id]] for i in invalid]


def parse_test(content: bytes, source: str, columns: Columns, encoding: str) -> "pd.DataFrame":
    """A test file's rows: `id` (str) and `text` (str), in the file's order. Raises InputError."""
    import pandas as pd

    sheet, where = _parse_documents(decode_file(content, source, encoding), source, [columns.id, columns.text])
    blank = [i for i, row in enumerate(sheet.rows) if is_missing(row[where[columns.text]])]
    if blank:
        raise InputError(
            f"{source}: line {sheet.lines[blank[0]]}: id {sheet.rows[blank[0]][where[columns.id]]!r} has no "
            f"{columns.text}{and_more(len(blank) - 1, 'row')}; every test document needs a prediction"
        )
    ids = [row[where[columns.id]] for row in sheet.rows]
    return pd.DataFrame({"id": ids, "text": [normalise_text(row[where[columns.text]]) for row in sheet.rows]})


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
        sheet, where = _parse_documents(text, source, [columns.id, columns.summary])
        ids, summaries = ([row[where[name]] for row in sheet.rows] for name in (columns.id, columns.summary))
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
    text = decode_file(content, source, encoding)
    if is_records(text):
        return parse_records_format(text, source, (columns.id, columns.summary), encoding)
    sheet = parse_sheet(text, source)
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


def _parse_documents(text: str, source: str, names: list[str]) -> tuple[Sheet, dict[str, int]]:
    """A CSV with the named columns and one unique, non-blank id a row; also the place of each column."""
    sheet = parse_sheet(text, source)
    require_columns(sheet.header, names, source)
    where = {name: sheet.header.index(name) for name in names}
    check_ids([row[where[names[0]]] for row in sheet.rows], sheet.lines, source)
    return sheet, where
