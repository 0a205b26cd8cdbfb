"""Submissions of JSON records: a list of them (`.json`, as the NIKL's 말평 boards want them), or one a line (`.jsonl`).

The sample, often the test file itself, is kept whole; only each record's summary is filled in.
"""

import json
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError

# where the NIKL's records have their summary
OUTPUT = "output"


@dataclass(frozen=True)
class RecordsFormat:
    """The form of a sample submission of records.

    `indent` is that of the sample's list, None for one line; `is_lines`: one record a line; `is_ascii`: Hangul stands
    as escapes; `is_compact`: no space behind a colon or comma.
    """

    records: list[dict[str, Any]]
    id_column: str
    summary_column: str
    encoding: str
    has_bom: bool = False
    line_end: str = "\n"
    ends_with_newline: bool = True
    is_lines: bool = False
    indent: int | None = None
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
        InputError: for what is no list of objects, or has an id missing or twice.
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
        if not isinstance(name, str | int) or not str(name).strip():
            raise InputError(f"{source}: record {number}: has no {id_column!r} (data.id_column names the key)")
        if str(name) in seen:
            raise InputError(f"{source}: record {number}: id {str(name)!r} stands in record {seen[str(name)]} already")
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
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise InputError(f"{source}: line {error.lineno}: is no JSON: {error.msg}") from error


def _parse_lines(body: str, source: str) -> list[Any]:
    records = []
    for number, line in enumerate(body.splitlines(), 1):
        try:
            records += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as error:
            raise InputError(f"{source}: line {number}: is no JSON: {error.msg}") from error
    return records


def _find_indent(body: str) -> int | None:
    lines = body.splitlines()
    return len(lines[1]) - len(lines[1].lstrip()) if len(lines) > 1 else None


def render_records(form: RecordsFormat, summaries: dict[str, str]) -> str:
    """The file's text, each record with its summary; a key that is new stands last."""
    filled = [{**record, form.summary_column: summaries[str(record[form.id_column])]} for record in form.records]
    comma, colon = (",", ":") if form.is_compact else (", ", ": ")
    separators = (comma if form.indent is None else ",", colon)
    parts = filled if form.is_lines else [filled]
    lines = [json.dumps(part, ensure_ascii=form.is_ascii, indent=form.indent, separators=separators) for part in parts]
    text = "\n".join(lines) + ("\n" if form.ends_with_newline else "")
    return text.replace("\n", form.line_end)


def read_summaries(form: RecordsFormat) -> list[str]:
    """The summary of each record, in order; blank where there is none."""
    return [str(record.get(form.summary_column) or "") for record in form.records]
