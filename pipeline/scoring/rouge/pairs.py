"""ROUGE of many pairs of texts: n-grams are counted for all pairs at once.

A pair and an n-gram are one integer, so the clipped matches of every pair come from two sorted arrays.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import LCSseq

from pipeline.scoring.rouge.comparison import METRICS, Profile, Rouge, compare

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[Profile, Profile]
Texts = Sequence[str]
# pairs counted together, and bits of a token: pair and bigram fit 63 bits
CHUNK, TOKEN_BITS = 2**17, 22
VECTORISED = {"rouge1": 1, "rouge2": 2}


def compute_rouge(
    predictions: Texts, references: Sequence[Texts], tokenizer: str | Rouge, metrics: Sequence[str] = METRICS
) -> "pd.DataFrame":
    """ROUGE F1 of each prediction against the best of its references, metric by metric.

    Args:
        predictions: one text an example; an empty one scores 0, also against an empty reference.
        references: at least one text an example.
        tokenizer: its name, or a `Rouge` that has seen the texts before.
        metrics: of `ALL_METRICS`.

    Returns:
        A row a prediction, a column a metric, from 0 to 1.

    Raises:
        ValueError: if the lengths differ or an example has no reference.
    """
    return compute_rouge_details(predictions, references, tokenizer, metrics)[list(metrics)]


def compute_rouge_details(
    predictions: Texts, references: Sequence[Texts], tokenizer: str | Rouge, metrics: Sequence[str] = METRICS
) -> "pd.DataFrame":
    """As `compute_rouge`, with `<metric>_precision` and `<metric>_recall` of the best reference beside each F1."""
    import pandas as pd

    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, {len(references)} references")
    if any(len(many) == 0 for many in references):
        raise ValueError("an example has no reference")
    rouge = Rouge(tokenizer) if isinstance(tokenizer, str) else tokenizer
    rouge.add(chain(predictions, chain.from_iterable(references)))
    profiles = map(rouge.build_profile, predictions)
    pairs = [
        (profile, rouge.build_profile(text))
        for profile, many in zip(profiles, references, strict=True)
        for text in many
    ]
    counts = np.fromiter(map(len, references), int, len(references))
    columns = {}
    for metric, scores in compare_pairs(pairs, metrics).items():
        best = select_best(scores, counts)
        columns |= {metric: best[:, 2], f"{metric}_precision": best[:, 0], f"{metric}_recall": best[:, 1]}
    return pd.DataFrame(columns, dtype=float)


def compute_weighted_rouge(
    predictions: Texts, references: Sequence[Texts], tokenizer: str | Rouge, weights: Mapping[str, float]
) -> "pd.Series":
    """The number that selects, one a prediction: `combine_metrics` of the metrics that have weight."""
    metrics = [name for name, weight in weights.items() if weight]
    return combine_metrics(compute_rouge(predictions, references, tokenizer, metrics), weights)


def combine_metrics(metrics: "pd.DataFrame", weights: Mapping[str, float]) -> "pd.Series":
    """The one number that selects: the weighted mean of the metrics' F1."""
    return sum(metrics[name] * weight for name, weight in weights.items() if weight) / sum(weights.values())


def select_best(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The scores of the reference that matches best; of equals the first, as korouge-score has it.

    Args:
        scores: (pairs, 3), an example's references one after the other; F1 is last.
        counts: (examples,) references of each.
    """
    if len(scores) == len(counts):
        return scores
    starts = counts.cumsum() - counts
    return np.array([scores[i + scores[i : i + n, 2].argmax()] for i, n in zip(starts, counts, strict=True)])


def compare_pairs(pairs: Sequence[Pair], metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """(pairs, 3) for each metric of `ALL_METRICS`: precision, recall and F1, prediction first."""
    found = [_compare_chunk(pairs[start : start + CHUNK], metrics) for start in range(0, len(pairs) or 1, CHUNK)]
    return {metric: np.concatenate([scores[metric] for scores in found]) for metric in metrics}


def _compare_chunk(pairs: Sequence[Pair], metrics: Sequence[str]) -> dict[str, np.ndarray]:
    predictions, references = (_Texts([pair[side].tokens for pair in pairs]) for side in (0, 1))
    found = {}
    for metric in metrics:
        if metric == "rougeL":
            matches = np.array(list(map(LCSseq.similarity, predictions.rows, references.rows)), int)
            found[metric] = _build_scores(matches, predictions.lengths, references.lengths)
        elif n := VECTORISED.get(metric):
            matches = _count_matches(predictions.count_ngrams(n), references.count_ngrams(n), len(pairs))
            found[metric] = _build_scores(matches, predictions.lengths - n + 1, references.lengths - n + 1)
        else:
            found[metric] = np.array([compare(*pair, metric) for pair in pairs], float).reshape(-1, 3)
    return found


def _build_scores(matches: np.ndarray, predicted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    precision, recall = matches / np.maximum(predicted, 1), matches / np.maximum(wanted, 1)
    # the order of korouge-score's arithmetic, to the last bit
    fmeasure = 2 * precision * recall / np.where(matches, precision + recall, 1)
    return np.stack([precision, recall, fmeasure], axis=1)


def _count_matches(
    predictions: tuple[np.ndarray, np.ndarray], references: tuple[np.ndarray, np.ndarray], pairs: int
) -> np.ndarray:
    """(pairs,): how many n-grams a prediction shares with its reference, each as often as in the one with fewer."""
    (ours, our_counts), (theirs, their_counts) = predictions, references
    place = np.searchsorted(theirs, ours)
    place[place == len(theirs)] = 0
    shared = theirs[place] == ours if len(theirs) else np.zeros(len(ours), bool)
    matches = np.minimum(our_counts[shared], their_counts[place[shared]])
    owners = ours[shared] >> TOKEN_BITS * 2
    return np.bincount(owners, matches, pairs).astype(int)


class _Texts:
    """One side of many pairs, end to end.

    Attributes:
        rows: token ids of each text.
        lengths: (texts,) of the rows.
    """

    def __init__(self, rows: list[list[int]]):
        self.rows = rows
        self.lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        self._tokens = np.fromiter(chain.from_iterable(rows), np.int64, self.lengths.sum())
        if len(self._tokens) and self._tokens.max() >> TOKEN_BITS:
            raise OverflowError(f"more than {1 << TOKEN_BITS} distinct tokens")
        self._owners = np.repeat(np.arange(len(rows), dtype=np.int64) << TOKEN_BITS * 2, self.lengths)

    def count_ngrams(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The distinct n-grams, n 1 or 2, of each text as integers that begin with the text's place, sorted; and how
        often each stands there."""
        tokens, owners = self._tokens, self._owners
        if n == 1:
            return np.unique(owners + tokens, return_counts=True)
        bigrams = owners[1:] + (tokens[:-1] << TOKEN_BITS) + tokens[1:]
        # a bigram does not reach into the next text
        return np.unique(bigrams[owners[:-1] == owners[1:]], return_counts=True)
