"""Dacon 235673, news: {id, article_original: [sentence], abstractive, extractive}, one a line or in a list.

The sentences of an article stand behind one another, as they did before they were split.
"""

from collections.abc import Iterator

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.documents import Document, Layout, get_id, get_sentences, get_texts, require_object
from pipeline.competition.layouts.json_values import read_items, read_lines
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File

FIELDS = Columns(id="id", text="article_original", summary="abstractive")


def _is_dacon(peek: Peek, columns: Columns) -> bool:
    return bool(peek.paths & {"article_original", "item.article_original"})


def _read_dacon(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    for place, value in read_items(file, peek, "item") if peek.is_list else read_lines(file, peek):
        record = require_object(value, place)
        summaries = get_texts(record, FIELDS.summary, place) if columns.summary else []
        yield Document(get_id(record, "id", place), get_sentences(record, FIELDS.text, place), summaries, place)


LAYOUT = Layout("dacon", "Dacon jsonl", _is_dacon, _read_dacon, FIELDS)
