"""task: generation: a whole text is learnt, and a held-out one is an opening and what its author wrote on."""

import re
from typing import TYPE_CHECKING

from pipeline.competition.text.sentences import split_pieces
from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def split_opening(text: str, sentences: int) -> int:
    """Where the opening of a text ends: behind its first sentences, or, in a text that has no more, behind the first
    half of its words. 0 for a text of one word, which cannot be split.

    >>> split_opening("비가 왔다. 길이 막혔다.", 1), split_opening("비가 많이 왔다.", 1)
    (6, 2)
    """
    pieces = split_pieces(text)
    if len(pieces) > sentences:
        return len("".join(pieces[:sentences]).rstrip())
    words = list(re.finditer(r"\S+", text))
    return words[len(words) // 2 - 1].end() if len(words) > 1 else 0


def hold_out_continuations(
    train: "pd.DataFrame", valid: "pd.DataFrame", sentences: int
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Validation texts as openings (`text`) and what follows them, white space included (`summaries`, one each).

    A text of one word has nothing to continue and is learnt instead.

    Args:
        train, valid: `id` and `text`, whole and stripped.
        sentences: of an opening.

    Returns:
        `(train, valid)` with `summaries`, which are empty of what is learnt.

    Raises:
        InputError: if no validation text can be split.
    """
    import pandas as pd

    places = [split_opening(text, sentences) for text in valid["text"]]
    whole = pd.Series(places, dtype=int) == 0
    if whole.all():
        raise InputError("task: generation: every validation text is a single word, and nothing can be continued")
    kept = valid[~whole].reset_index(drop=True)
    ends = [place for place in places if place]
    texts = [text[:end] for text, end in zip(kept["text"], ends, strict=True)]
    rest = [[text[end:]] for text, end in zip(kept["text"], ends, strict=True)]
    learnt = pd.concat([train, valid[whole]], ignore_index=True)[["id", "text"]]
    return learnt.assign(summaries=[[] for _ in range(len(learnt))]), kept.assign(text=texts, summaries=rest)
