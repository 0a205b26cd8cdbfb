"""The NIKL's 말평, dialogues: [{id, input: {conversation: [{speaker, utterance}], subject_keyword: [word]}, output}].

What the dialogue is about, which the board tells and summaries follow, is the first line.
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
from pipeline.competition.layouts.json_values import read_items, read_lines
from pipeline.competition.layouts.peek import Peek
from pipeline.competition.layouts.sources import File

FIELDS = Columns(id="id", text="conversation", summary="output")
TOPIC = "주제: "


def _is_nikl(peek: Peek, columns: Columns) -> bool:
    return bool(peek.paths & {"item.input.conversation", "input.conversation"})


def _read_nikl(file: File, peek: Peek, columns: Columns) -> Iterator[Document]:
    for place, value in read_items(file, peek, "item") if peek.is_list else read_lines(file, peek):
        record = require_object(value, place)
        given = get_object(record, "input", place)
        turns = [require_object(turn, place) for turn in get_list(given, FIELDS.text, place)]
        text = render_turns((get_id(turn, "speaker", place), get_text(turn, "utterance", place)) for turn in turns)
        keywords = ", ".join(get_texts(given, "subject_keyword", place))
        summaries = get_texts(record, FIELDS.summary, place) if columns.summary else []
        topic = f"{TOPIC}{keywords}\n" if keywords and text else ""
        yield Document(get_id(record, "id", place), topic + text, summaries, place)


LAYOUT = Layout("nikl", "NIKL dialogue JSON", _is_nikl, _read_nikl, FIELDS)
