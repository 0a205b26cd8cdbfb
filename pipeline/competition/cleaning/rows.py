"""The rules of rows, each by its key in preprocess.clean: which training rows are left out, and what they copy.

They leave rows of train out and of nothing else. Validation plays the board, whose references hold as many copied or
overlong summaries as train does: without them a score would flatter. So the validation set is the same whatever is
switched on, and scores can be compared; only `near_copies_to_train` changes it, for what a model has trained on is no
validation.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from pipeline.competition.cleaning.near_duplicates import find_near_copies, find_near_duplicates

if TYPE_CHECKING:
    import pandas as pd

# place in train -> the place it copies and how much of it, or nothing of either
Found = dict[int, tuple[int, float] | None]


def find_copied_summaries(train: "pd.DataFrame") -> Found:
    """Rows whose summaries all are their whole document, white space apart."""
    return _find_rows(train, lambda text, summary: text == summary)


def find_longer_summaries(train: "pd.DataFrame") -> Found:
    """Rows whose summaries all have more characters than their document, white space apart."""
    return _find_rows(train, lambda text, summary: len(summary) > len(text))


def _find_rows(train: "pd.DataFrame", is_bad: Callable[[str, str], bool]) -> Found:
    found: Found = {}
    for place, (text, summaries) in enumerate(zip(train["text"], train["summaries"], strict=True)):
        squeezed = "".join(text.split())
        if all(is_bad(squeezed, "".join(summary.split())) for summary in summaries):
            found[place] = None
    return found


def find_exact_duplicates(train: "pd.DataFrame") -> Found:
    """Rows with document and summaries of an earlier row; a document with another summary is none."""
    first, found = {}, {}
    for place, (text, summaries) in enumerate(zip(train["text"], train["summaries"], strict=True)):
        # a digest, so that no second copy of all texts is held
        row = "\0".join([text, *summaries]).encode("utf-8", "surrogatepass")
        source = first.setdefault(blake2b(row, digest_size=16).digest(), place)
        if source != place:
            found[place] = (source, 1.0)
    return found


def find_near_duplicate_rows(train: "pd.DataFrame") -> Found:
    """Rows whose document is nearly that of an earlier row that stays, whatever their summaries."""
    return {copy.number: (copy.of, copy.share) for copy in find_near_duplicates(train["text"].array)}


# in this order, each on what the one before left; the quick ones first
ROW_RULES: dict[str, Callable[["pd.DataFrame"], Found]] = {
    "copied_summaries": find_copied_summaries,
    "longer_summaries": find_longer_summaries,
    "exact_duplicates": find_exact_duplicates,
    "near_duplicates": find_near_duplicate_rows,
}


def take_near_copies(train: "pd.DataFrame", valid: "pd.DataFrame") -> Found:
    """Validation rows, by place, whose document is nearly one of train's; places in train, then in `valid` itself.

    What copies a row that goes to train copies train then, so it goes too: its source counts on from `len(train)`.
    """
    texts = list(valid["text"])
    found: Found = {}
    known, numbers = train["text"].array, range(len(train))
    left = list(range(len(texts)))
    while copies := find_near_copies([texts[place] for place in left], known):
        taken = [left[copy.number] for copy in copies]
        found |= {place: (numbers[copy.of], copy.share) for place, copy in zip(taken, copies, strict=True)}
        known, numbers = [texts[place] for place in taken], [len(train) + place for place in taken]
        left = [place for place in left if place not in found]
    return found
