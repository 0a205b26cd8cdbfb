"""The competition's text without its labels: what a base is built of, or adapted to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# in this order; summaries of `valid` and `test` are what is to be predicted
SPLITS = ("train", "valid", "test", "extra")
WITH_SUMMARIES = ("train", "extra")


def collect_texts(splits: "Mapping[str, pd.DataFrame]", names: Sequence[str]) -> "pd.DataFrame":
    """Documents and summaries of the named splits as plain texts, each alone: no text says which belongs to which.

    Args:
        splits: frames with `text`, and those of `WITH_SUMMARIES` with `summaries` (lists of str).
        names: of `SPLITS`; a split that is not there has no text.

    Returns:
        A frame of `document`, a number that a document shares with its summaries, and `text`; of each split the
        documents and then the summaries.
    """
    import pandas as pd

    numbers: list[int] = []
    texts: list[str] = []
    for name in SPLITS:
        if name not in names or name not in splits:
            continue
        frame, first = splits[name], max(numbers, default=-1) + 1
        texts.extend(frame["text"])
        numbers.extend(range(first, first + len(frame)))
        if name in WITH_SUMMARIES:
            for number, many in enumerate(frame["summaries"], first):
                texts.extend(many)
                numbers.extend([number] * len(many))
    return pd.DataFrame({"document": pd.Series(numbers, dtype="int64"), "text": pd.Series(texts, dtype=object)})
