"""What usually stands behind a score that drops: summaries that repeat themselves, or that only copy."""

from collections.abc import Sequence

from pipeline.scoring.rouge import Profile


def compute_repetition(tokens: Sequence[int], n: int) -> float:
    """rep-n: the share of a summary's n-grams that stand in it already, 0 to 1 (Welleck et al. 2020, 1908.04319)."""
    total = len(tokens) - n + 1
    return 1 - len(_list_ngrams(tokens, n)) / total if total > 0 else 0.0


def compute_distinct(many: Sequence[Sequence[int]], n: int) -> float:
    """distinct-n: different n-grams of all summaries over all there are, 0 to 1 (Li et al. 2016, N16-1014).

    Low where every document gets the same phrases.
    """
    total = sum(max(len(tokens) - n + 1, 0) for tokens in many)
    return len(set().union(*(_list_ngrams(tokens, n) for tokens in many))) / total if total else 0.0


def compute_copied(summary: Profile, document: Profile) -> float:
    """The share of a summary's bigrams that stand in its document, 0 to 1: what is not "novel" in See et al. 2017
    (P17-1099)."""
    ours, theirs = _list_ngrams(summary.tokens, 2), _list_ngrams(document.tokens, 2)
    return len(ours & theirs) / len(ours) if ours else 0.0


def _list_ngrams(tokens: Sequence[int], n: int) -> set[tuple[int, ...]]:
    return set(zip(*(tokens[i:] for i in range(n)), strict=False))
