"""AI-Hub 문서요약 텍스트: one JSON, documents: [{id, text: [paragraph: [{sentence}]], abstractive: [summary]}].

A paragraph becomes a line.
"""

from collections.abc import Iterator
from typing import Any

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.documents import (
    Document,
    Layout,
    Place,
    get_id,
    get_list,
    get_text,
    get_texts,
    require_object,
)
from pipeline.competition.layouts.json_values import read_items
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File
from pipeline.errors import InputError

FIELDS = Columns(id="id", text="text", summary="abstractive")


def _is_aihub_document(peek: Peek, columns: Columns) -> bool:
    return "documents.item.text" in peek.paths


def _read_aihub_document(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    for place, value in read_items(file, peek, "documents.item"):
        record = require_object(value, place)
        lines = [_join_sentences(paragraph, place) for paragraph in get_list(record, FIELDS.text, place)]
        summaries = get_texts(record, FIELDS.summary, place) if columns.summary else []
        yield Document(get_id(record, "id", place), "\n".join(filter(None, lines)), summaries, place)


def _join_sentences(paragraph: Any, place: Place) -> str:
    if not isinstance(paragraph, list):
        raise InputError(f"{place}: 'text' is no list of paragraphs, lists of sentences")
    sentences = [get_text(require_object(one, place), "sentence", place).strip() for one in paragraph]
    return " ".join(filter(None, sentences))


LAYOUT = Layout("aihub_document", "AI-Hub 문서요약", _is_aihub_document, _read_aihub_document, FIELDS)
