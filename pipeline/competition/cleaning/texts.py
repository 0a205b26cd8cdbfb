"""The rules of text, each by its key in preprocess.clean, and what they do to many texts.

Of a training row its document and its summaries are cleaned, of a validation or test row its document alone: a
validation summary plays the board's, and the board's is as the organiser has it. Bylines, addresses and copyright lines
are a document's; `SUMMARY_RULES` are what is left for summaries.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from pipeline.competition.cleaning.credits import drop_bylines, drop_contacts
from pipeline.competition.cleaning.marks import compose, drop_html, drop_unseen, squeeze_spaces
from pipeline.progress import track

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
        texts: in the order given.
        changed: by rule, how many texts it changed.
        blank: places of the texts of which nothing would be left; they are as they were.
    """

    texts: list[str] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)
    blank: list[int] = field(default_factory=list)


def clean_texts(texts: Sequence[str], rules: Collection[str], progress: str) -> CleanedTexts:
    """The texts after the rules of that name; a text of which nothing would be left stays as it is.

    Args:
        rules: keys of `TEXT_RULES`; their order does not matter.
    """
    steps = [(name, rule) for name, rule in TEXT_RULES.items() if name in rules]
    cleaned = CleanedTexts(changed={name: 0 for name, _ in steps})
    for place, text in enumerate(track(texts, progress, len(texts))):
        new, changed = text, []
        for name, rule in steps:
            before, new = new, rule(new)
            if new != before:
                changed.append(name)
        if new.strip() or not text.strip():
            cleaned.texts.append(new)
            for name in changed:
                cleaned.changed[name] += 1
        else:
            cleaned.texts.append(text)
            cleaned.blank.append(place)
    return cleaned
