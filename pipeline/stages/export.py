"""export: predictions and the sample submission in; a file that equals the sample in form out, or a refusal."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.competition.formats import Columns, SubmissionFormat, parse_predictions
from pipeline.competition.records import RecordsFormat, render_records
from pipeline.competition.sheets import can_encode
from pipeline.errors import InputError, and_more
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import FormatParams

# what tokenizers leave behind when nobody asked them to skip it, the mark of bytes that are no text, and NUL
_LEFTOVER = re.compile(
    r"</?s>|<pad>|<unk>|<usr>|<sys>|<\|[^|>]*\|>|\[(?:PAD|UNK|CLS|SEP|MASK)\]|<extra_id_\d+>|[\ufffd\0]"
)
# bytes, on every file system in use
_LONGEST_NAME = 255


def build_submission(
    predictions: "pd.DataFrame", form: SubmissionFormat | RecordsFormat, documents: Mapping[str, str]
) -> bytes:
    """The submission's bytes: the sample's columns, order, ids, index column, encoding and line ends.

    Args:
        predictions: `id` and `summary`, in any order.
        documents: the test documents by id. What stands in a document itself, such as `<s>` or a mark of broken bytes,
            is no leftover in its summary.

    Raises:
        InputError: naming the first offending id of each kind, and how many more.
    """
    _check_ids(list(predictions["id"]), form.ids)
    rows = track(zip(predictions["id"], predictions["summary"], strict=True), "export: cleaning", len(predictions))
    summaries = {name: clean_summary(summary) for name, summary in rows}
    _check_summaries(summaries, form.encoding, documents)
    text = render_records(form, summaries) if isinstance(form, RecordsFormat) else _render_sheet(form, summaries)
    content = (("\ufeff" if form.has_bom else "") + text).encode(form.encoding)
    _check_written(content, form, summaries)
    return content


def _render_sheet(form: SubmissionFormat, summaries: dict[str, str]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=form.delimiter,
        lineterminator=form.line_end,
        quoting=csv.QUOTE_ALL if form.quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerow(form.columns)
    for number, name in enumerate(form.ids, form.index_start):
        cells = {form.id_column: name, form.summary_column: summaries[name]}
        writer.writerow([number if i == form.index_column else cells[c] for i, c in enumerate(form.columns)])
    text = out.getvalue()
    return text if form.ends_with_newline else text.removesuffix(form.line_end)


def join_openings(predictions: "pd.DataFrame", openings: Mapping[str, str], include_opening: bool) -> "pd.DataFrame":
    """`id` and `summary`, the text to submit: what was written, with its opening in front or without.

    Raises:
        InputError: if nothing was written behind an opening.
    """
    empty = [row.id for row in predictions.itertuples(index=False) if not row.summary.strip()]
    if mistake := _name_first(empty, "has an empty continuation (a higher min_new_tokens in decode.grid prevents it)"):
        raise InputError(f"export: {mistake}")
    texts = [
        (openings.get(row.id, "") + row.summary if include_opening else row.summary).strip()
        for row in predictions.itertuples(index=False)
    ]
    return predictions.assign(summary=texts)


def build_text_files(predictions: "pd.DataFrame") -> dict[str, bytes]:
    """A UTF-8 file a text, with its line ends, by file name: the id and `.txt`.

    What file systems do not take in a name is written as URLs write it (`%2F`).

    Raises:
        InputError: if a name is too long, or two are the same to a file system that knows no upper case.
    """
    names = {row.id: f"{_quote_name(row.id)}.txt" for row in predictions.itertuples(index=False)}
    folded = Counter(name.casefold() for name in names.values())
    long = [one for one, name in names.items() if len(name.encode()) > _LONGEST_NAME]
    equal = [one for one, name in names.items() if folded[name.casefold()] > 1]
    mistakes = [
        _name_first(long, "is too long for the name of a file"),
        _name_first(equal, "is the name of a file that another id has too, where upper and lower case are one"),
    ]
    if found := [mistake for mistake in mistakes if mistake]:
        raise InputError([f"export: {mistake}" for mistake in found])
    texts = zip(predictions["id"], predictions["summary"], strict=True)
    return {names[one]: f"{compose(text)}\n".encode() for one, text in texts}


def _quote_name(name: str) -> str:
    """An id as a file's name: letters of any script, digits, spaces, `-`, `_` and inner dots as they are."""
    return re.sub(r"^\.|[^\w .-]", lambda found: quote(found[0], safe="").replace(".", "%2E"), name)


def override_format(form: SubmissionFormat | RecordsFormat, params: "FormatParams") -> SubmissionFormat | RecordsFormat:
    """The sample's form, with what `export.format` says otherwise; `sample` leaves it as it is.

    Raises:
        InputError: for a sample of records that should become a CSV, for quotes in a file of records, and for an
            encoding without the characters of an id, a header or a record.
    """
    form = _reshape(form, params.suffix)
    changes: dict[str, Any] = {}
    if params.encoding != "sample":
        changes |= {"encoding": params.encoding.removesuffix("-sig"), "has_bom": params.encoding == "utf-8-sig"}
    if params.line_end != "sample":
        changes["line_end"] = {"lf": "\n", "crlf": "\r\n"}[params.line_end]
    if params.quoting != "sample":
        if isinstance(form, RecordsFormat):
            raise InputError(f"export.format.quoting: {params.quoting} is for CSV files; leave it at sample")
        changes["quote_all"] = params.quoting == "all"
    form = replace(form, **changes)
    if "encoding" in changes:
        _refuse_encoding(form)
    return form


def _refuse_encoding(form: SubmissionFormat | RecordsFormat) -> None:
    if isinstance(form, RecordsFormat):
        each = zip(form.ids, form.records, strict=True)
        texts = {name: render_records(replace(form, records=[record]), {name: ""}) for name, record in each}
    else:
        texts = {name: name for name in (*form.columns, *form.ids)}
    if found := [name for name, text in texts.items() if not can_encode(text, form.encoding)]:
        what = "the record of " if isinstance(form, RecordsFormat) else ""
        raise InputError(
            f"export.format.encoding: {form.encoding} cannot hold {what}{found[0]!r}{and_more(len(found) - 1)}, which "
            "stands in the sample submission; use utf-8"
        )


def _reshape(form: SubmissionFormat | RecordsFormat, suffix: str) -> SubmissionFormat | RecordsFormat:
    """A CSV's form as one of records, or a list of records as lines of them, and back."""
    if isinstance(form, RecordsFormat):
        if suffix == "csv":
            shape = "jsonl" if form.is_lines else "json"
            raise InputError(f"export.format.suffix: csv, but the sample submission holds JSON records; set {shape}")
        return replace(form, is_lines=suffix == "jsonl", indent=None if suffix == "jsonl" else form.indent)
    if suffix == "csv":
        return form
    kept = [name for i, name in enumerate(form.columns) if i != form.index_column]
    records = [{name: row if name == form.id_column else "" for name in kept} for row in form.ids]
    shared = (form.id_column, form.summary_column, form.encoding, form.has_bom, form.line_end)
    return RecordsFormat(records, *shared, is_lines=suffix == "jsonl", indent=None if suffix == "jsonl" else " " * 4)


def clean_summary(text: str) -> str:
    """One line, NFC, with the lone jamo that NFKC tokenizers leave (ᄏᄏ) as the letters people type (ㅋㅋ)."""
    return compose(" ".join(text.split()))


def compose(text: str) -> str:
    """NFC, lone jamo as letters: as `clean_summary`, line ends kept."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(_restore_jamo(c) if "\u1100" <= c <= "\u11ff" else c for c in composed)


def _restore_jamo(character: str) -> str:
    """HANGUL CHOSEONG KIYEOK -> HANGUL LETTER KIYEOK; archaic jamo without such a letter stay."""
    name = re.sub("CHOSEONG|JUNGSEONG|JONGSEONG", "LETTER", unicodedata.name(character, ""))
    try:
        return unicodedata.lookup(name)
    except KeyError:
        return character


def _check_ids(predicted: list[str], expected: list[str]) -> None:
    repeated = [name for name, count in Counter(predicted).items() if count > 1]
    known, wanted = set(predicted), set(expected)
    mistakes = [
        _name_first(repeated, "is predicted twice"),
        _name_first([n for n in expected if n not in known], "stands in the sample submission but has no prediction"),
        _name_first([n for n in predicted if n not in wanted], "has a prediction but is not in the sample submission"),
    ]
    if found := [mistake for mistake in mistakes if mistake]:
        raise InputError([f"export: {mistake}" for mistake in found])


def _check_summaries(summaries: dict[str, str], encoding: str, documents: Mapping[str, str]) -> None:
    empty = [name for name, text in summaries.items() if not text]
    leftover = [
        name
        for name, text in track(summaries.items(), "export: checking", len(summaries))
        if any(mark not in documents.get(name, "") for mark in _LEFTOVER.findall(text))
    ]
    unencodable = [name for name, text in summaries.items() if not can_encode(text, encoding)]
    mistakes = [
        _name_first(empty, "has an empty summary (predict.fill_empty: lead-1 would fill it from the document)"),
        _name_first(leftover, "holds a special token or broken bytes", summaries),
        _name_first(unencodable, f"has characters that {encoding} cannot hold", summaries),
    ]
    if found := [mistake for mistake in mistakes if mistake]:
        raise InputError([f"export: {mistake}" for mistake in found])


def _name_first(names: list[str], what: str, texts: dict[str, str] | None = None) -> str | None:
    if not names:
        return None
    shown = f": {texts[names[0]][:60]!r}" if texts else ""
    return f"id {names[0]!r} {what}{shown}{and_more(len(names) - 1)}"


def _check_written(content: bytes, form: SubmissionFormat | RecordsFormat, summaries: dict[str, str]) -> None:
    """Reads the bytes back as a platform would and compares."""
    columns = Columns(id=form.id_column, text=form.id_column, summary=form.summary_column)
    back = parse_predictions(content, "the submission, read back", columns, form.encoding)
    if list(back["id"]) != form.ids or dict(zip(back["id"], back["summary"], strict=True)) != summaries:
        raise InputError("export: the submission, read back, does not equal the predictions")
