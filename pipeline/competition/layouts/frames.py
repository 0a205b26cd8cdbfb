"""Documents of a competition as a frame: ids unique over all files, nothing missing, text composed.

Strings lie in Arrow's memory, a third of what Python needs for them, so that a million documents fit.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from pipeline.competition.formats import is_missing, normalise_text
from pipeline.competition.layouts.documents import Document, Place
from pipeline.competition.layouts.reading import Batch, Reading, read_documents
from pipeline.competition.layouts.sources import File
from pipeline.errors import InputError, and_more
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# documents that become one chunk of Arrow's memory
_CHUNK = 2**13


@dataclass(frozen=True)
class Documents:
    """The documents of some files.

    Attributes:
        frame: `id`, `text` and, if labelled, `summaries` (lists of str), in the files' order.
        dropped: ids of documents left out because they have no text or no summary.
        description: what was read, in one line: `Dacon jsonl, 3 files, 12,345 documents, utf-8`.
    """

    frame: "pd.DataFrame"
    dropped: list[str]
    description: str


def read_frame(files: Sequence[File], reading: Reading, role: str, drop_invalid: bool = False) -> Documents:
    """All documents of some files, read file by file and row by row.

    Args:
        role: `train`, `test` or what else is read, for the progress shown.
        drop_invalid: leave out documents without text or summary instead of refusing them.

    Raises:
        InputError: for what cannot be read, by file and place; for ids that are missing or stand twice, also in two
            files; for documents without text or summary.
    """
    collected = _Collector(reading.is_labelled, reading.is_optional)
    documents = (document for batch in read_documents(files, reading) for document in collected.enter(batch))
    for document in track(documents, f"{role}: reading"):
        collected.add(document)
    frame = collected.build_frame()
    collected.check_ids()
    collected.check_missing(drop_invalid)
    return Documents(frame, collected.dropped, collected.describe(len(files)))


@dataclass
class _Collector:
    """Gathers documents in Arrow's memory, and what is wrong with them."""

    is_labelled: bool
    is_optional: bool = False
    dropped: list[str] = field(default_factory=list)
    blank_ids: list[Place] = field(default_factory=list)
    first_invalid: str = ""
    batch: Batch | None = None

    def __post_init__(self) -> None:
        self._pending: list[tuple[str, str, list[str]]] = []
        self._chunks: list[pa.Table] = []
        self._all_ids: list[pa.Array] = []
        self._pending_ids: list[str] = []
        self._layouts: Counter[str] = Counter()
        self._encodings: Counter[str] = Counter()
        # where each document stands: the number in its file, and the first document of each file
        self._numbers = array("q")
        self._files: list[tuple[int, Place]] = []

    def enter(self, batch: Batch) -> Iterator[Document]:
        """The documents of a batch, which is the one that is read now."""
        self.batch = batch
        self._layouts[batch.layout.title] += len(batch.documents)
        self._encodings[batch.encoding] += 1
        return iter(batch.documents)

    def add(self, document: Document) -> None:
        name, text, summaries, place = document
        if not self._files or self._files[-1][1].source != place.source:
            self._files.append((len(self._numbers), place))
        name = str(len(self._numbers)) if name is None else name
        self._numbers.append(place.number)
        if not name.strip():
            self.blank_ids.append(place)
        self._pending_ids.append(name)
        kept = [normalise_text(summary) for summary in summaries if not is_missing(summary)]
        if is_missing(text) or (self.is_labelled and not self.is_optional and not kept):
            self._leave_out(name, text, kept, place)
        else:
            self._pending.append((name, normalise_text(text), kept))
        if len(self._pending_ids) >= _CHUNK:
            self._flush()

    def _leave_out(self, name: str, text: str, summaries: list[str], place: Place) -> None:
        if not self.dropped and self.batch:
            fields = self.batch.fields
            blank = [fields.text] if is_missing(text) else []
            blank += [fields.summary] if self.is_labelled and not summaries else []
            self.first_invalid = f"{place}: id {name!r} has no {' and no '.join(blank)}"
        self.dropped.append(name)

    def _flush(self) -> None:
        import pyarrow as pa

        ids, texts, summaries = zip(*self._pending, strict=True) if self._pending else ((), (), ())
        columns = {"id": pa.array(ids, pa.large_string()), "text": pa.array(texts, pa.large_string())}
        if self.is_labelled:
            columns["summaries"] = pa.array(summaries, pa.list_(pa.string()))
        self._chunks.append(pa.table(columns))
        self._all_ids.append(pa.array(self._pending_ids, pa.large_string()))
        self._pending, self._pending_ids = [], []

    def build_frame(self) -> "pd.DataFrame":
        import pandas as pd
        import pyarrow as pa

        self._flush()
        table = pa.concat_tables(self._chunks)
        self._chunks = []
        arrow = {pa.list_(pa.string()): pd.ArrowDtype(pa.list_(pa.string()))}
        return table.to_pandas(types_mapper=arrow.get, self_destruct=True, split_blocks=True)

    def check_ids(self) -> None:
        """Refuses ids that are blank, or that stand twice."""
        import pyarrow as pa

        if self.blank_ids:
            first, more = self.blank_ids[0], and_more(len(self.blank_ids) - 1, "row")
            raise InputError(f"{first}: the id is missing{more}")
        ids = pa.chunked_array(self._all_ids)
        self._all_ids = []
        if len(ids.unique()) < len(ids):
            self._refuse_repeated(ids.to_pylist())

    def _refuse_repeated(self, ids: list[str]) -> NoReturn:
        first: dict[str, int] = {}
        repeated = [(number, name) for number, name in enumerate(ids) if first.setdefault(name, number) != number]
        number, name = repeated[0]
        place, other = self._find_place(number), self._find_place(first[name])
        where = f"{other.unit} {other.number}" if other.source == place.source else str(other)
        raise InputError(f"{place}: id {name!r} stands in {where} already{and_more(len(repeated) - 1, 'row')}")

    def _find_place(self, number: int) -> Place:
        place = next(place for start, place in reversed(self._files) if start <= number)
        return place._replace(number=self._numbers[number])

    def check_missing(self, drop_invalid: bool) -> None:
        """Refuses documents without text or summary, or that none is left."""
        if not self.dropped or self.batch is None:
            return
        more = and_more(len(self.dropped) - 1, "row")
        if not self.is_labelled:
            raise InputError(f"{self.first_invalid}{more}; every test document needs a prediction")
        if not drop_invalid:
            advice = "mend the file, or leave such rows out with preprocess.clean.empty_summaries: true"
            raise InputError(f"{self.first_invalid}{more}; {advice}")
        if len(self.dropped) == len(self._numbers):
            fields, source = self.batch.fields, self._files[0][1].source
            raise InputError(f"{source}: no row has both {fields.text} and {fields.summary}")

    def describe(self, files: int) -> str:
        """The layouts, files, documents and encodings, most frequent first."""
        layouts = " and ".join(title for title, _ in self._layouts.most_common())
        encodings = [encoding for encoding, _ in self._encodings.most_common() if encoding]
        count = len(self._numbers)
        parts = [layouts, f"{files:,} file{'s' * (files != 1)}", f"{count:,} document{'s' * (count != 1)}"]
        return ", ".join([*parts, *([" and ".join(encodings)] if encodings else [])])
