"""KoBART news: tab-separated news, summary. Without ids: a document's is its number, counted from 0 over all files."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.delimited import is_delimited, read_delimited
from pipeline.competition.layouts.documents import Document, Layout
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File

FIELDS = Columns(id="", text="news", summary="summary")


def _is_kobart(peek: Peek, columns: Columns) -> bool:
    return peek.kind == "delimited" and FIELDS.text in peek.header and not is_delimited(peek, columns)


def _read_kobart(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    own = columns.id if columns.id in peek.header else ""
    return read_delimited(file, peek, replace(FIELDS, id=own, summary=columns.summary and FIELDS.summary))


LAYOUT = Layout("kobart", "KoBART tsv", _is_kobart, _read_kobart, FIELDS)
