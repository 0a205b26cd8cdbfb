"""Parquet with the columns that params name, read in batches of rows; a summary may be a list of several."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.documents import Document, Layout, Place, get_id, get_text, get_texts
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File
from pipeline.competition.sheets import require_columns
from pipeline.errors import InputError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_ROWS = 4096


def _is_parquet(peek: Peek, columns: Columns) -> bool:
    return peek.kind == "parquet"


def _read_parquet(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    import pyarrow as pa

    wanted = [name for name in (columns.id, columns.text, columns.summary) if name]
    require_columns(list(peek.header), wanted, file.name)
    done = 0
    with file.open() as stream:
        try:
            for batch in _open(stream, file).iter_batches(_ROWS, columns=wanted):
                for number, record in enumerate(batch.to_pylist(), done + 1):
                    place = Place(file.name, "row", number)
                    summaries = get_texts(record, columns.summary, place) if columns.summary else []
                    name, text = get_id(record, columns.id, place), get_text(record, columns.text, place)
                    yield Document(name, text, summaries, place)
                done += len(batch)
        # of texts that are no UTF-8 Python finds that out
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file.name}: row {done + 1}: cannot be read: {error}") from error


def _open(stream: BinaryIO, file: File) -> "pq.ParquetFile":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.name}: is no parquet file that can be read: {error}") from error


LAYOUT = Layout("parquet", "parquet", _is_parquet, _read_parquet)
