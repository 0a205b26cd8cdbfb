"""훈민정음 2021, summaries of dialogues.

{numberOfItems, data: [{header: {dialogueInfo: {dialogueID}}, body: {dialogue: [{utterance, participantID}], summary}}]}
"""

from collections.abc import Iterator

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.dialogues import render_turns
from pipeline.competition.layouts.documents import (
    Document,
    Layout,
    get_id,
    get_list,
    get_object,
    get_text,
    get_texts,
    require_object,
)
from pipeline.competition.layouts.json_values import read_items
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File

FIELDS = Columns(id="dialogueID", text="dialogue", summary="summary")


def _is_hunminjeongeum(peek: Peek, columns: Columns) -> bool:
    return "data.item.body.dialogue" in peek.paths


def _read_hunminjeongeum(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    for place, value in read_items(file, peek, "data.item"):
        record = require_object(value, place)
        told = get_object(get_object(record, "header", place), "dialogueInfo", place)
        body = get_object(record, "body", place)
        turns = [require_object(turn, place) for turn in get_list(body, FIELDS.text, place)]
        text = render_turns(
            (get_id(turn, "participantID", place), get_text(turn, "utterance", place)) for turn in turns
        )
        summaries = get_texts(body, FIELDS.summary, place) if columns.summary else []
        yield Document(get_id(told, FIELDS.id, place), text, summaries, place)


LAYOUT = Layout("hunminjeongeum", "훈민정음 dialogue JSON", _is_hunminjeongeum, _read_hunminjeongeum, FIELDS)
