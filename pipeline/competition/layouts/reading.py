"""Files of any layout -> documents, in batches: what a file is, is told by what stands in it, file by file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from pipeline.competition.formats import UPSTAGE, Columns
from pipeline.competition.layouts import (
    aihub_document,
    aihub_report,
    dacon,
    delimited,
    hunminjeongeum,
    kobart,
    nikl,
    parquet,
    records,
    upstage,
)
from pipeline.competition.layouts.documents import Document, Layout
from pipeline.competition.layouts.peek import Peek, peek_file
from pipeline.competition.layouts.sources import File, refuse_damage
from pipeline.competition.sheets import require_columns
from pipeline.errors import InputError

AUTO = "auto"
BATCH = 4096
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        *(delimited.AI_CONNECT_LAYOUT, delimited.LAYOUT, records.LIST, records.LINES, parquet.LAYOUT, dacon.LAYOUT),
        *(aihub_document.LAYOUT, aihub_report.LAYOUT, nikl.LAYOUT, hunminjeongeum.LAYOUT),
        *(upstage.LAYOUT, kobart.LAYOUT),
    )
}


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        layout: one of `LAYOUTS`, or `auto`.
        encoding: as `data.encoding`.
        columns: names of columns or keys, for layouts that have none of their own; they win where a file has them.
        is_labelled: whether summaries are read; without, whatever a file has of them is passed over.
        is_optional: whether a document may have no summary, and a file no column for them.
    """

    layout: str
    encoding: str
    columns: Columns
    is_labelled: bool = True
    is_optional: bool = False

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of columns by which a header is known."""
        own = [layout.fields for layout in LAYOUTS.values() if layout.fields]
        return frozenset(name for one in (self.columns, UPSTAGE, *own) for name in vars(one).values() if name)


@dataclass(frozen=True)
class Batch:
    """Up to `BATCH` documents of one file.

    Attributes:
        fields: what the file calls id, text and summary.
        encoding: "" of parquet.
    """

    documents: list[Document]
    layout: Layout
    fields: Columns
    encoding: str


def read_documents(files: Sequence[File], reading: Reading) -> Iterator[Batch]:
    """The documents of some files, in order, never more in memory than a batch.

    What is missing in a document is empty and what stands twice stands twice: `read_frame` in
    `pipeline.competition.layouts.frames` judges that.

    Raises:
        InputError: by file and place, for what cannot be read; by file, for one of no layout or of several.
    """
    for file in files:
        with refuse_damage(file.name):
            yield from _read_file(file, reading)


def _read_file(file: File, reading: Reading) -> Iterator[Batch]:
    peek = peek_file(file, reading.encoding, reading.names)
    layout = find_layout(file, peek, reading)
    fields = layout.fields or reading.columns
    has_none = reading.is_optional and bool(peek.header) and fields.summary not in peek.header
    columns = replace(reading.columns, summary="") if has_none or not reading.is_labelled else reading.columns
    documents = layout.read(file, peek, columns)
    is_empty = True
    while batch := list(islice(documents, BATCH)):
        is_empty = False
        yield Batch(batch, layout, fields, peek.encoding)
    if is_empty:
        what = "has a header and no rows" if peek.kind == "delimited" else "holds no document"
        raise InputError(f"{file.name}: {what}")


def find_layout(file: File, peek: Peek, reading: Reading) -> Layout:
    """The one layout that a file is of, or the one that params name.

    Raises:
        InputError: that lists the layouts and what was found, if none or more than one is meant.
    """
    if reading.layout != AUTO:
        if peek.kind == parquet.LAYOUT.name != reading.layout:
            raise InputError(f"{file.name}: is parquet; set data.layout: {parquet.LAYOUT.name}, not {reading.layout}")
        return LAYOUTS[reading.layout]
    found = [layout for layout in LAYOUTS.values() if layout.detect(peek, reading.columns)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(LAYOUTS)
    if not found and peek.kind == "delimited":
        if not any(name.strip() for name in peek.header):
            raise InputError(f"{file.name}: has no header line")
        try:
            wanted = [
                name
                for name in vars(reading.columns).values()
                if reading.is_labelled or name != reading.columns.summary
            ]
            require_columns(list(peek.header), wanted, file.name)
        except InputError as error:
            raise InputError(f"{error}, nor is it of another layout: {known}") from error
    what = f"could be {' or '.join(layout.name for layout in found)}" if found else "is of no layout that is known"
    raise InputError(f"{file.name}: {what}; found {peek.describe()}; data.layout names one of {known}")
