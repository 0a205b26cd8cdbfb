"""Flat JSON records with the columns that params name: a list of them, or one a line."""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.documents import (
    Document,
    Layout,
    Place,
    get_id,
    get_text,
    get_texts,
    require_object,
)
from pipeline.competition.layouts.json_values import read_items, read_lines
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File


def _is_list(peek: Peek, columns: Columns) -> bool:
    return {f"item.{columns.id}", f"item.{columns.text}"} <= peek.paths


def _is_lines(peek: Peek, columns: Columns) -> bool:
    return {columns.id, columns.text} <= peek.paths


def _read_list(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    return read_records(read_items(file, peek, "item"), columns)


def _read_lines(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    return read_records(read_lines(file, peek), columns)


def read_records(values: Iterable[tuple[Place, Any]], columns: Columns) -> Iterator[Document]:
    """The documents of flat records; a summary may be a list of several. Raises InputError by record and key."""
    for place, value in values:
        record = require_object(value, place)
        summaries = get_texts(record, columns.summary, place) if columns.summary else []
        yield Document(get_id(record, columns.id, place), get_text(record, columns.text, place), summaries, place)


LIST = Layout("json", "JSON", _is_list, _read_list)
LINES = Layout("jsonl", "jsonl", _is_lines, _read_lines)
