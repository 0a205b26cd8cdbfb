"""Upstage, summaries of dialogues: fname,dialogue,summary,topic; turns are lines with marks such as #Person1# already.

Its sample submission is fname,summary behind an unnamed running index.
"""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.competition.formats import UPSTAGE, Columns
from pipeline.competition.layouts.delimited import is_delimited, read_delimited
from pipeline.competition.layouts.documents import Document, Layout
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File


def _is_upstage(peek: Peek, columns: Columns) -> bool:
    return is_delimited(peek, UPSTAGE) and not is_delimited(peek, columns)


def _read_upstage(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    return read_delimited(file, peek, replace(UPSTAGE, summary=columns.summary and UPSTAGE.summary))


LAYOUT = Layout("upstage", "Upstage dialogue csv", _is_upstage, _read_upstage, UPSTAGE)
