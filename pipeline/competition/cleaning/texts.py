"""The rules of text, each by its key in preprocess.clean, and what they do to many texts.

Of a training row its document and its summaries are cleaned, of a validation or test row its document alone: a
validation summary plays the board's, and the board's is as the organiser has it. Bylines, addresses and copyright lines
are a document's; `SUMMARY_RULES` are what is left for summaries.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.competition.cleaning.characters import compose, drop_html, drop_unseen, squeeze_spaces
from pipeline.competition.cleaning.credits import drop_bylines, drop_contacts
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

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


# rows that are cleaned together; those of which none changes stay where they are in memory
_ROWS = 4096


@dataclass
class CleanedTexts:
    """Texts after the rules.

    Attributes:
        texts: in the order given.
        changed: by rule, how many texts it changed.
        blank: places of the texts of which nothing would be left; they are as they were.
    """

    texts: list[str] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    blank: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class CleanedColumn:
    """A column of texts, or of lists of texts, after the rules.

    Attributes:
        column: of the type and index that it had.
        changed: by rule, how many texts it changed.
        blank: places of the rows of which nothing would be left; they are as they were.
    """

    column: "pd.Series"
    changed: dict[str, int]
    blank: list[int]


def clean_texts(texts: Sequence[str], rules: Collection[str]) -> CleanedTexts:
    """The texts after the rules of that name; a text of which nothing would be left stays as it is.

    Args:
        rules: keys of `TEXT_RULES`; their order does not matter.
    """
    steps = [(name, rule) for name, rule in TEXT_RULES.items() if name in rules]
    cleaned = CleanedTexts(changed=Counter({name: 0 for name, _ in steps}))
    for place, text in enumerate(texts):
        new, changed = text, []
        for name, rule in steps:
            before, new = new, rule(new)
            if new != before:
                changed.append(name)
        if new.strip() or not text.strip():
            cleaned.texts.append(new)
            cleaned.changed.update(changed)
        else:
            cleaned.texts.append(text)
            cleaned.blank.append(place)
    return cleaned


def clean_column(column: "pd.Series", rules: Collection[str], progress: str) -> CleanedColumn:
    """As `clean_texts`, of a column of str or of lists of str, part by part: what is not changed is not copied."""
    import pandas as pd

    are_texts = not len(column) or isinstance(column.iloc[0], str)
    changed, parts, blank = Counter({name: 0 for name in TEXT_RULES if name in rules}), [], []
    for start in track(range(0, len(column), _ROWS), progress):
        part = column.iloc[start : start + _ROWS]
        rows = part.tolist()
        done = clean_texts(rows if are_texts else list(chain.from_iterable(rows)), rules)
        if done.changed.total():
            texts = iter(done.texts)
            new = done.texts if are_texts else [[next(texts) for _ in row] for row in rows]
            part = pd.Series(new, index=part.index, dtype=column.dtype)
        parts.append(part)
        changed.update(done.changed)
        places = done.blank if are_texts else _find_blank(rows, set(done.blank))
        blank += [start + place for place in places]
    return CleanedColumn(pd.concat(parts) if changed.total() else column, dict(changed), blank)


def _find_blank(rows: Sequence[Sequence[str]], blank: Collection[int]) -> Iterator[int]:
    """The places of the rows all of whose texts, counted through all rows, are blank."""
    end = 0
    for place, row in enumerate(rows):
        start, end = end, end + len(row)
        if blank and len(row) and all(number in blank for number in range(start, end)):
            yield place
