"""Figures of texts that have no references, each a mean over documents, so that texts are compared by document.

Some are of a corpus: distinct-n, the return rate and perplexity are ratios of sums. What a document adds to one is its
linearised value, R + (a - R b) / mean(b) of a ratio R of sums of a and b: the mean over documents is R, and their
spread is what R's standard error comes from (the delta method).
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.repetition import CHAINED, compute_repetition, compute_returns
from pipeline.scoring.rouge.comparison import Rouge

if TYPE_CHECKING:
    import pandas as pd

REPETITION = ("rep2", "rep3", "rep4")
VARIETY = ("distinct1", "distinct2", "distinct3")
# by what is measured: the figures that say it, each a share but for the return rate, `nats` (the mean nats a token) and
# `length` (the mean number of tokens)
MEASURES = {
    "repetition": REPETITION,
    "variety": VARIETY,
    "return_rate": ("return_rate",),
    "nats": ("nats",),
    "overlap": ("overlap",),
    "length": ("length",),
}
FIGURES = tuple(figure for figures in MEASURES.values() for figure in figures)
# sums of a and of b by document
Sums = tuple[np.ndarray, np.ndarray]


def compute_figures(
    texts: "pd.DataFrame", ids: Sequence[str], rouge: Rouge, beside: "pd.DataFrame | None" = None
) -> "pd.DataFrame":
    """(documents, `FIGURES`): the linearised values of one row of the leaderboard.

    Repetition and the return rate are those of `pipeline.scoring.repetition`, in tokens of the board's tokenizer, and
    so is distinct-n, counted among texts of one rank, for the more texts there are the fewer phrases are new.
    `overlap` is the share of 8-grams of words that stand in a training text.

    Args:
        texts: `id`, `candidate`, `text`, `tokens` and their `nats`, distinct `ngrams` of words and how many of those
            are `known`; as many candidates of each id.
        ids: of the documents, in the order of the result.
        rouge: on the board's tokenizer.
        beside: texts of the same documents and ranks, to compare with. Repetition, distinct-n and the return rate
            depend on how much text there is, so each text is then counted as far as the shorter of the two goes.
    """
    import pandas as pd

    ranks, others = (_list_ranks(frame, ids, rouge) for frame in (texts, texts if beside is None else beside))
    sums: dict[str, list[Sums]] = {figure: [] for figure in FIGURES}
    for (rank, whole), (_, other) in zip(ranks, others, strict=True):
        many = [own[: len(theirs)] for own, theirs in zip(whole, other, strict=True)]
        sums["length"].append((np.array(list(map(len, whole)), float), np.ones(len(whole))))
        for n, figure in enumerate(REPETITION, 2):
            shares = np.array([compute_repetition(tokens, n) for tokens in many])
            sums[figure].append((shares, np.ones(len(many))))
        for n, figure in enumerate(VARIETY, 1):
            sums[figure].append(_share_distinct(many, n))
        sums["return_rate"].append(_share_returns(many))
        for figure, above, below in (("nats", "nats", "tokens"), ("overlap", "known", "ngrams")):
            sums[figure].append((rank[above].to_numpy(float), rank[below].to_numpy(float)))
    added = {figure: tuple(np.sum(parts, axis=0)) for figure, parts in sums.items()}
    return pd.DataFrame({figure: linearise(*pair) for figure, pair in added.items()}, index=list(ids))


def _list_ranks(
    texts: "pd.DataFrame", ids: Sequence[str], rouge: Rouge
) -> "list[tuple[pd.DataFrame, list[Sequence[int]]]]":
    """The texts of each rank in the order of the documents, and their tokens."""
    rouge.add(texts["text"])
    ranks = [group.set_index("id").loc[list(ids)] for _, group in texts.groupby("candidate")]
    return [(rank, [rouge.build_profile(text).tokens for text in rank["text"]]) for rank in ranks]


def linearise(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(documents,) values whose mean is the ratio of the sums; 0 where there is nothing to divide by.

    >>> linearise(np.array([1.0, 1.0]), np.array([1.0, 3.0]))
    array([0.75, 0.25])
    """
    if not below.sum():
        return np.zeros(len(below))
    ratio = above.sum() / below.sum()
    return ratio + (above - ratio * below) / below.mean()


def _share_distinct(many: Sequence[Sequence[int]], n: int) -> Sums:
    """distinct-n's sums: an n-gram that occurs k times is one different n-gram, a k-th for each time."""
    listed = [list(zip(*(tokens[i:] for i in range(n)), strict=False)) for tokens in many]
    counts = Counter(gram for grams in listed for gram in grams)
    return np.array([sum(1 / counts[gram] for gram in grams) for grams in listed]), np.array(
        list(map(len, listed)), float
    )


def _share_returns(many: Sequence[Sequence[int]]) -> Sums:
    """The return rate's sums: a mean over different tokens, of which each time that one occurs has its share."""
    returns, chained = compute_returns(many), many[:CHAINED]
    counts = Counter(token for tokens in chained for token in tokens)
    above = [sum(returns[token] / counts[token] for token in tokens) for tokens in chained]
    below = [sum(1 / counts[token] for token in tokens) for tokens in chained]
    rest = [0.0] * (len(many) - len(chained))
    return np.array(above + rest), np.array(below + rest)
