"""AI-Hub 요약문 및 레포트 (582): a JSON a document, in folders or zips.

{Meta(Acqusition): {doc_id}, Meta(Refine): {passage_id, passage}, Annotation: {summary1, summary2, summary3}}, in their
own spelling. summary1 is abstractive; the others, where they are not null, are further references. Where params name
one of these keys as a column it is that one: `data.id_column: passage_id`, `data.summary_column: summary1`.
"""

from collections.abc import Iterator

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.documents import Document, Layout, get_id, get_object, get_text, require_object
from pipeline.competition.layouts.json_values import read_items
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File

ACQUISITION, REFINE = "Meta(Acqusition)", "Meta(Refine)"
SUMMARIES = ("summary1", "summary2", "summary3")
FIELDS = Columns(id="doc_id", text="passage", summary="summary1")


def _is_aihub_report(peek: Peek, columns: Columns) -> bool:
    return f"{REFINE}.passage" in peek.paths


def _read_aihub_report(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    names = [columns.summary] if columns.summary in SUMMARIES else SUMMARIES
    for place, value in read_items(file, peek, ""):
        record = require_object(value, place)
        refined, annotation = get_object(record, REFINE, place), get_object(record, "Annotation", place)
        keys = refined if columns.id == "passage_id" else get_object(record, ACQUISITION, place)
        own = get_id(keys, "passage_id" if columns.id == "passage_id" else FIELDS.id, place)
        summaries = [get_text(annotation, name, place) for name in names] if columns.summary else []
        yield Document(own, get_text(refined, FIELDS.text, place), list(filter(None, summaries)), place)


LAYOUT = Layout("aihub_report", "AI-Hub 요약문 및 레포트", _is_aihub_report, _read_aihub_report, FIELDS)
