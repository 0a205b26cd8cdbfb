"""What every reader gives, and what it takes from a record: texts, sentences, ids, each refused by its place."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File
from pipeline.competition.sheets import check_characters
from pipeline.errors import InputError


class Place(NamedTuple):
    """Where a document stands: `train.csv: line 4`, `TL1.zip: a.json: record 1`."""

    source: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.source}: {self.unit} {self.number}"


class Document(NamedTuple):
    """A document as its file has it; whatever is not there is empty, and an id is None where the layout has none."""

    id: str | None
    text: str
    summaries: list[str]
    place: Place


@dataclass(frozen=True)
class Layout:
    """How documents lie in a file.

    Attributes:
        name: what `data.layout` calls it.
        title: what `preprocess` calls it.
        detect: whether a file is of this layout, by what its beginning shows and the names of columns in params.
        read: the documents of a file, one by one, without summaries where the name of their column is "";
            raises InputError by place.
        fields: its own names of id, text and summary; None where those of params are used.
    """

    name: str
    title: str
    detect: Callable[[Peek, Columns], bool]
    read: Callable[[File, Peek, Columns], Iterator[Document]]
    fields: Columns | None = None


def get_object(record: Any, key: str, place: Place) -> dict[str, Any]:
    """The object under a key, {} where there is none."""
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, dict | None):
        raise InputError(f"{place}: {key!r} is no object with keys")
    return value or {}


def get_list(record: dict[str, Any], key: str, place: Place) -> list[Any]:
    """The list under a key, [] where there is none."""
    value = record.get(key)
    if not isinstance(value, list | None):
        raise InputError(f"{place}: {key!r} is no list")
    return value or []


def get_text(record: dict[str, Any], key: str, place: Place) -> str:
    """The text under a key, "" where there is none."""
    return _check_text(record.get(key), key, place)


def get_texts(record: dict[str, Any], key: str, place: Place) -> list[str]:
    """The text under a key, or a list of them; [] where there is none."""
    value = record.get(key)
    many = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | None) for one in many):
        raise InputError(f"{place}: {key!r} is neither a text nor a list of texts")
    return [_check_text(one, key, place) for one in many if one]


def get_sentences(record: dict[str, Any], key: str, place: Place) -> str:
    """The sentences of the list under a key as a text, one behind the other."""
    sentences = get_list(record, key, place)
    if not all(isinstance(sentence, str) for sentence in sentences):
        raise InputError(f"{place}: {key!r} is no list of sentences")
    return " ".join(_check_text(sentence, key, place).strip() for sentence in sentences)


def get_id(record: dict[str, Any], key: str, place: Place) -> str:
    """The id under a key, text or a whole number, "" where there is none."""
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise InputError(f"{place}: {key!r} is {str(value)[:60]!r}, neither text nor a whole number")
    return _check_text("" if value is None else str(value), key, place)


def require_object(record: Any, place: Place) -> dict[str, Any]:
    """A record that has keys."""
    if not isinstance(record, dict):
        raise InputError(f"{place}: is no object with keys")
    return record


def _check_text(value: Any, key: str, place: Place) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{place}: {key!r} is no text")
    check_characters(value, f"{place}: {key!r}")
    return value
