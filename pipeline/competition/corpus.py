"""The competition's text without its labels: what a base is built of, or adapted to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.competition.arrow import flatten, to_arrow, to_column

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
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    numbers, texts, first = [np.zeros(0, np.int64)], [], 0
    for name in SPLITS:
        if name not in names or name not in splits:
            continue
        frame = splits[name]
        numbers.append(np.arange(first, first + len(frame)))
        texts.append(frame["text"])
        if name in WITH_SUMMARIES:
            summaries, lengths = flatten(frame["summaries"])
            numbers.append(np.repeat(np.arange(first, first + len(frame)), lengths))
            texts.append(summaries)
        first += len(frame)
    # documents stay where they are in memory, under two names
    chunks = [chunk.cast(pa.large_string()) for column in texts for chunk in to_arrow(column).chunks]
    text = to_column(pa.chunked_array(chunks, pa.large_string()))
    return pd.DataFrame({"document": np.concatenate(numbers), "text": text})
