"""The rules of text, each by its key in preprocess.clean, and what they do to many texts.

Of a training row its document and its summaries are cleaned, of a validation or test row its document alone: a
validation summary plays the board's, and the board's is as the organiser has it. Bylines, addresses and copyright lines
are a document's; `SUMMARY_RULES` are what is left for summaries.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.competition.cleaning.credits import drop_bylines, drop_contacts
from pipeline.competition.cleaning.marks import compose, drop_html, drop_unseen, squeeze_spaces
from pipeline.competition.texts import map_texts, to_arrow
from pipeline.progress import track

if TYPE_CHECKING:
    import pyarrow as pa

# in the order in which they are applied: an entity may stand for a character that a later rule takes away
TEXT_RULES: dict[str, Callable[[str], str]] = {
    "html": drop_html,
    "control_characters": drop_unseen,
    "nfc": compose,
    "bylines": drop_bylines,
    "contacts": drop_contacts,
    "whitespace": squeeze_spaces,
}
SUMMARY_RULES = ("html", "control_characters", "nfc", "whitespace")


@dataclass
class CleanedTexts:
    """Texts after the rules.

    Attributes:
        texts: in the order given, in Arrow's memory; parts that no rule changed are those that were given.
        changed: by rule, how many texts it changed.
        blank: places of the texts of which nothing would be left; they are as they were.
    """

    texts: "pa.ChunkedArray"
    changed: dict[str, int]
    blank: list[int]


def clean_texts(texts: Any, rules: Collection[str], progress: str) -> CleanedTexts:
    """The texts after the rules of that name; a text of which nothing would be left stays as it is.

    Args:
        texts: a column, or any texts.
        rules: keys of `TEXT_RULES`; their order does not matter.
    """
    steps = [(name, rule) for name, rule in TEXT_RULES.items() if name in rules]
    counts: dict[str, int] = {name: 0 for name, _ in steps}
    blank: list[int] = []
    array = to_arrow(texts)
    # one count of places over all parts
    places = track(range(len(array)), progress)

    def clean(part: list[str]) -> list[str]:
        return [_clean(text, steps, counts, blank, next(places)) for text in part]

    return CleanedTexts(map_texts(array, clean), counts, blank)


def _clean(
    text: str, steps: Sequence[tuple[str, Callable[[str], str]]], counts: dict[str, int], blank: list[int], place: int
) -> str:
    new, changed = text, []
    for name, rule in steps:
        before, new = new, rule(new)
        if new != before:
            changed.append(name)
    if not new.strip() and text.strip():
        blank.append(place)
        return text
    for name in changed:
        counts[name] += 1
    return new
