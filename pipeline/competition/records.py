"""Submissions of JSON records: a list of them (`.json`, as the NIKL's 말평 boards want them), or one a line (`.jsonl`).

The sample, often the test file itself, is kept whole; only each record's summary is filled in.
"""

import json
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from pipeline.competition.sheets import can_encode, check_characters
from pipeline.errors import InputError


class Number(str):
    """A number as it stands in the file: 1.10 is not 1.1, and no digit of a long one is lost."""

    __slots__ = ()


# where the NIKL's records have their summary
OUTPUT = "output"


@dataclass(frozen=True)
class RecordsFormat:
    """The form of a sample submission of records.

    `indent` is the white space of the sample's list, None for one line; `is_lines`: one record a line; `is_ascii`:
    Hangul stands as escapes; `is_compact`: no space behind a colon or comma.
    """

    records: list[dict[str, Any]]
    id_column: str
    summary_column: str
    encoding: str
    has_bom: bool = False
    line_end: str = "\n"
    ends_with_newline: bool = True
    is_lines: bool = False
    indent: str | None = None
    is_ascii: bool = False
    is_compact: bool = False

    @property
    def ids(self) -> list[str]:
        """The ids, as text, in order."""
        return [str(record[self.id_column]) for record in self.records]


def is_records(text: str) -> bool:
    """Whether a file's text is JSON and no CSV."""
    return text.lstrip("\ufeff \r\n\t").startswith(("[", "{"))


def parse_records_format(text: str, source: str, names: tuple[str, str], encoding: str) -> RecordsFormat:
    """The form of a file of records.

    Args:
        names: the keys of the id and of the summary; where no record has the latter, it is `output`.

    Raises:
        InputError: for what is no list of objects, or has an id missing, twice or of what is no text.
    """
    body = text.removeprefix("\ufeff")
    is_lines = body.lstrip().startswith("{")
    records = _parse_lines(body, source) if is_lines else _parse_list(body, source)
    id_column, summary_column = names
    seen: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise InputError(f"{source}: record {number}: is no object with keys")
        name = record.get(id_column)
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{source}: record {number}: has no {id_column!r} (data.id_column names the key)")
        if str(name) in seen:
            raise InputError(f"{source}: record {number}: id {str(name)!r} stands in record {seen[str(name)]} already")
        check_characters(name, f"{source}: record {number}: {id_column!r}")
        seen[str(name)] = number
    if not records:
        raise InputError(f"{source}: holds no record")
    return RecordsFormat(
        records=records,
        id_column=id_column,
        summary_column=summary_column if any(summary_column in record for record in records) else OUTPUT,
        encoding=encoding,
        has_bom=text.startswith("\ufeff"),
        line_end="\r\n" if "\r\n" in body else "\n",
        ends_with_newline=body.endswith("\n"),
        is_lines=is_lines,
        indent=None if is_lines else _find_indent(body),
        is_ascii=body.isascii() and "\\u" in body,
        is_compact='": ' not in body,
    )


def _parse_list(body: str, source: str) -> list[Any]:
    try:
        return _load(body)
    except json.JSONDecodeError as error:
        raise InputError(f"{source}: line {error.lineno}: is no JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{source}: is no JSON that can be read: it is nested too deeply") from error


def _parse_lines(body: str, source: str) -> list[Any]:
    records = []
    # a string may hold what Python takes for the end of a line, such as U+2028
    for number, line in enumerate(body.split("\n"), 1):
        try:
            records += [_load(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise InputError(f"{source}: line {number}: is no JSON: {error.msg}") from error
        except RecursionError as error:
            raise InputError(f"{source}: line {number}: is nested too deeply") from error
    return records


def _load(text: str) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def _find_indent(body: str) -> str | None:
    lines = body.split("\n")
    return lines[1][: len(lines[1]) - len(lines[1].lstrip(" \t"))] if len(lines) > 1 else None


def render_records(form: RecordsFormat, summaries: dict[str, str]) -> str:
    """The file's text, each record with its summary; a key that is new stands last.

    A sample whose summaries stand in lists gets a list of one.
    """
    filled = []
    for name, record in zip(form.ids, form.records, strict=True):
        is_list = isinstance(record.get(form.summary_column), list)
        filled.append({**record, form.summary_column: [summaries[name]] if is_list else summaries[name]})
    lines = [_render(part, form, "\n") for part in (filled if form.is_lines else [filled])]
    text = "\n".join(lines) + ("\n" if form.ends_with_newline else "")
    return text.replace("\n", form.line_end)


def _render(value: Any, form: RecordsFormat, line: str) -> str:
    """JSON as the sample writes it; `line` begins a line at the value's depth. json.dumps cannot keep numbers."""
    if isinstance(value, Number):
        return value
    if not isinstance(value, dict | list) or not value:
        # half a pair of surrogates can only be written as an escape
        is_ascii = form.is_ascii or (isinstance(value, str) and not can_encode(value, "utf-8"))
        return json.dumps(value, ensure_ascii=is_ascii)
    inner = line if form.indent is None else line + form.indent
    if isinstance(value, dict):
        colon = ":" if form.is_compact else ": "
        opening, closing = "{}"
        parts = [f"{_render(key, form, inner)}{colon}{_render(part, form, inner)}" for key, part in value.items()]
    else:
        opening, closing = "[]"
        parts = list(map(_render, value, repeat(form), repeat(inner)))
    if form.indent is None:
        return f"{opening}{(',' if form.is_compact else ', ').join(parts)}{closing}"
    return f"{opening}{inner}{f',{inner}'.join(parts)}{line}{closing}"


def read_summaries(form: RecordsFormat, source: str) -> list[list[str]]:
    """The summaries of each record, in order: those of a list, or one, blank where there is none.

    Raises:
        InputError: for what is neither text nor a list of texts, by record.
    """
    found = []
    for number, (name, record) in enumerate(zip(form.ids, form.records, strict=True), 1):
        value = record.get(form.summary_column)
        many = value if isinstance(value, list) and value else [value]
        where = f"{source}: record {number}: id {name!r}: {form.summary_column!r}"
        if not all(one is None or isinstance(one, str) for one in many):
            raise InputError(f"{where} is neither a text nor a list of texts")
        for one in many:
            check_characters(one or "", where)
        found.append([str(one or "") for one in many])
    return found
