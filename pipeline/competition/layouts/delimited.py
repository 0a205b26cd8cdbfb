"""CSV and TSV, one document a row, row by row; any delimiter, line ends in quoted cells."""

from collections.abc import Iterator

from pipeline.competition.encodings import open_text
from pipeline.competition.formats import Columns
from pipeline.competition.layouts.documents import Document, Layout, Place
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File
from pipeline.competition.sheets import check_lines, read_rows, require_columns

AI_CONNECT = Columns(id="id", text="text", summary="summary")


def is_delimited(peek: Peek, columns: Columns) -> bool:
    """Whether a header has a document's columns."""
    return peek.kind == "delimited" and {columns.id, columns.text} <= set(peek.header)


def is_ai_connect(peek: Peek, columns: Columns) -> bool:
    """Whether a header is that of AI CONNECT's files, and params do not say otherwise."""
    return (
        columns == AI_CONNECT and peek.delimiter == "," and peek.header in (("id", "text"), ("id", "text", "summary"))
    )


def read_delimited(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    """The rows of a file with a header.

    Args:
        columns: a name that is "" is not read.

    Raises:
        InputError: by line.
    """
    with open_text(file.open, peek.encoding) as stream:
        rows = read_rows(check_lines(stream, file.name), file.name, peek.delimiter or ",")
        header = next(rows)[1]
        wanted = (columns.id, columns.text, columns.summary)
        require_columns(header, [name for name in wanted if name], file.name)
        name, text, summary = (header.index(column) if column else None for column in wanted)
        for line, cells in rows:
            own = None if name is None else cells[name]
            many = [] if summary is None else [cells[summary]]
            yield Document(own, cells[text], many, Place(file.name, "line", line))


def _is_csv(peek: Peek, columns: Columns) -> bool:
    return is_delimited(peek, columns) and not is_ai_connect(peek, columns)


LAYOUT = Layout("csv", "csv", _is_csv, read_delimited)
AI_CONNECT_LAYOUT = Layout("ai_connect", "AI CONNECT csv", is_ai_connect, read_delimited)
