"""ROUGE of many pairs of texts: n-grams are counted for all pairs at once.

A pair and an n-gram are one integer, so the clipped matches of every pair come from two sorted arrays.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import LCSseq

from pipeline.progress import track
from pipeline.scoring.rouge import METRICS, Profile, Rouge, compare

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[Profile, Profile]
# pairs counted together, and bits of a token: pair and bigram fit 63 bits
CHUNK, TOKEN_BITS = 2**17, 22
VECTORISED = {"rouge1": 1, "rouge2": 2}


def compute_rouge(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str | Rouge,
    metrics: Sequence[str] = METRICS,
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
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str | Rouge,
    metrics: Sequence[str] = METRICS,
) -> "pd.DataFrame":
    """As `compute_rouge`, with `<metric>_precision` and `<metric>_recall` of the best reference beside each F1."""
    import pandas as pd

    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, {len(references)} references")
    if any(len(many) == 0 for many in references):
        raise ValueError("an example has no reference")
    build = (Rouge(tokenizer) if isinstance(tokenizer, str) else tokenizer).build_profile
    pairs = []
    for prediction, many in track(zip(predictions, references, strict=True), "ROUGE", len(references)):
        profile = build(prediction)
        pairs += [(profile, build(text)) for text in many]
    counts = np.fromiter(map(len, references), int, len(references))
    columns = {}
    for metric in metrics:
        scores = select_best(compare_pairs(pairs, metric), counts)
        columns |= {metric: scores[:, 2], f"{metric}_precision": scores[:, 0], f"{metric}_recall": scores[:, 1]}
    return pd.DataFrame(columns, dtype=float)


def compute_weighted_rouge(
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenizer: str | Rouge,
    weights: Mapping[str, float],
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


def compare_pairs(pairs: Sequence[Pair], metric: str) -> np.ndarray:
    """(pairs, 3): precision, recall and F1 of one metric of `ALL_METRICS`, prediction first."""
    if metric == "rougeL":
        found = [LCSseq.similarity(prediction.tokens, reference.tokens) for prediction, reference in pairs]
        return _build_scores(np.array(found, int), pairs, 1)
    if metric in VECTORISED:
        n = VECTORISED[metric]
        chunks = [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]
        found = [_count_matches(chunk, n) for chunk in chunks]
        return _build_scores(np.concatenate([np.zeros(0, int), *found]), pairs, n)
    return np.array([compare(*pair, metric) for pair in pairs], float).reshape(-1, 3)


def _build_scores(matches: np.ndarray, pairs: Sequence[Pair], n: int) -> np.ndarray:
    sides = zip(*((len(p.tokens), len(r.tokens)) for p, r in pairs), strict=True)
    predicted, wanted = (np.maximum(np.array(side, float) - n + 1, 1) for side in (sides if pairs else ((), ())))
    precision, recall = matches / predicted, matches / wanted
    # the order of korouge-score's arithmetic, to the last bit
    fmeasure = 2 * precision * recall / np.where(matches, precision + recall, 1)
    return np.stack([precision, recall, fmeasure], axis=1)


def _count_matches(pairs: Sequence[Pair], n: int) -> np.ndarray:
    """(pairs,): how many n-grams a prediction shares with its reference, each as often as in the one with fewer."""
    (ours, our_counts), (theirs, their_counts) = (_count_ngrams([pair[side] for pair in pairs], n) for side in (0, 1))
    place = np.searchsorted(theirs, ours)
    place[place == len(theirs)] = 0
    shared = theirs[place] == ours if len(theirs) else np.zeros(len(ours), bool)
    matches = np.minimum(our_counts[shared], their_counts[place[shared]])
    owners = ours[shared] >> TOKEN_BITS * 2
    return np.bincount(owners, matches, len(pairs)).astype(int)


def _count_ngrams(profiles: Sequence[Profile], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct n-grams of each text, as integers that begin with the text's place, sorted; and their counts."""
    lengths = np.fromiter((len(profile.tokens) for profile in profiles), np.int64, len(profiles))
    tokens = np.fromiter(chain.from_iterable(profile.tokens for profile in profiles), np.int64, lengths.sum())
    if len(tokens) and tokens.max() >> TOKEN_BITS:
        raise OverflowError(f"more than {1 << TOKEN_BITS} distinct tokens")
    owners = np.repeat(np.arange(len(profiles), dtype=np.int64), lengths)
    if n == 2:
        # a bigram does not reach into the next text
        inside = owners[:-1] == owners[1:]
        tokens = ((tokens[:-1] << TOKEN_BITS) + tokens[1:])[inside]
        owners = owners[:-1][inside]
    return np.unique((owners << TOKEN_BITS * 2) + tokens, return_counts=True)
