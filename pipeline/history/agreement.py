"""Whether the board ranks submissions as validation does, and which of them to choose for the final.

Pure. Only validation scores of one scale (tokenizer, weights, split) are compared with each other.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.history.ledger import Row, describe_row, get_scale, name_scales

# all orders of so many submissions can be counted; of more, chance is approximated
_COUNTABLE = 8
# submissions that can agree or not
_FEWEST = 3


@dataclass(frozen=True)
class Agreement:
    """How far the board ranks submissions as validation does.

    `chance` is the share of random orders that agree at least so well; `interval` (95 %, Bonett & Wright 2000) is None
    where it cannot be computed: below four submissions, or for a perfect correlation.
    """

    spearman: float
    submissions: int
    chance: float
    interval: tuple[float, float] | None


def compute_agreement(rows: Sequence[Row], board: str = "public") -> Agreement | None:
    """Spearman correlation of validation and board over the submissions that have both; None for less than three.

    Args:
        rows: of one scale.
    """
    pairs = [(float(row["validation"]), float(row[board])) for row in rows if row["validation"] and row[board]]
    if len(pairs) < _FEWEST:
        return None
    ours, theirs = ([rank for rank in _rank(list(side))] for side in zip(*pairs, strict=True))
    rho = _correlate(ours, theirs)
    if rho is None:
        return None
    count, interval = len(pairs), None
    if count > 3 and abs(rho) < 1 - 1e-9:
        half = 1.959964 * math.sqrt((1 + rho**2 / 2) / (count - 3))
        interval = (math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half))
    return Agreement(rho, count, _compute_chance(ours, theirs, rho), interval)


def _rank(values: list[float]) -> list[float]:
    """Ranks from 0; equals share their mean."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) - 1) / 2 for value in values]


def _correlate(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Pearson's correlation; None where all of a side are equal."""
    middle = (len(ours) - 1) / 2
    spread = math.sqrt(sum((a - middle) ** 2 for a in ours) * sum((b - middle) ** 2 for b in theirs))
    return sum((a - middle) * (b - middle) for a, b in zip(ours, theirs, strict=True)) / spread if spread else None


def _compute_chance(ours: Sequence[float], theirs: Sequence[float], rho: float) -> float:
    """Share of the orders of `theirs` that correlate at least as well; counted, or by Student's t for many."""
    if len(ours) <= _COUNTABLE:
        found = [_correlate(ours, order) or 0.0 for order in itertools.permutations(theirs)]
        return sum(value >= rho - 1e-9 for value in found) / len(found)
    # scipy.stats takes most of a second to load
    from scipy.special import stdtr

    t = rho * math.sqrt((len(ours) - 2) / max(1 - rho**2, 1e-12))
    return float(stdtr(len(ours) - 2, -t))


def split_by_scale(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that can be ranked with each other, and those whose validation score is on another scale.

    Of several scales it is the one with most answers of the board, of equals the newest. Rows whose scale the ledger
    does not know are a scale of their own.
    """
    scored = [row for row in rows if row["validation"]]
    if not scored:
        return [], []
    scales = [get_scale(row) for row in scored]
    answered = [get_scale(row) for row in scored if row["public"]]
    chosen = max(reversed(scales), key=answered.count)
    same, other = ([row for row in scored if (get_scale(row) == chosen) == wanted] for wanted in (True, False))
    return same, other


def choose_final(rows: Sequence[Row]) -> Row | None:
    """The submission to choose for the final: the best mean rank of validation and public score, within one scale.

    The public board is a small sample that one has tuned to by looking at it, validation another; what is good on
    both is the safest. Before anything is recorded it is the best on validation; of equals the one that validation
    prefers.
    """
    scored, _ = split_by_scale(rows)
    both = [row for row in scored if row["public"]] or scored
    if not both:
        return None
    validation = _rank([float(row["validation"]) for row in both])
    public = _rank([float(row["public"] or 0) for row in both])
    best = max(range(len(both)), key=lambda i: (validation[i] + public[i], validation[i]))
    return both[best]


def describe_ledger(rows: Sequence[Row]) -> list[str]:
    """Lines on whether validation can be trusted, which submission to choose, and which are left out of that."""
    lines = []
    ranked, left_out = split_by_scale(rows)
    if agreement := compute_agreement(ranked):
        interval = agreement.interval
        noise = f", 95 % interval {interval[0]:+.2f} … {interval[1]:+.2f}" if interval else ""
        lines.append(
            f"Spearman correlation of validation and public score: {agreement.spearman:+.2f} "
            f"({agreement.submissions} submissions{noise}; {agreement.chance:.0%} of random orders agree as well)"
        )
        if agreement.spearman < 0:
            lines.append(
                "validation and board disagree: is score.tokenizer the board's, and is the split like the test?"
            )
    elif sum(bool(row["public"]) for row in ranked) >= _FEWEST:
        lines.append("validation or board scores all of them alike, so there is no order to agree on")
    else:
        lines.append("record at least three public scores to see whether validation ranks as the board does")
    if left_out:
        lines.append(_describe_left_out(ranked[0], left_out, rows))
    if chosen := choose_final(rows):
        lines.append(f"for the final: {describe_row(chosen)}")
    return lines


def _describe_left_out(ranked: Row, left_out: Sequence[Row], rows: Sequence[Row]) -> str:
    """One line: how many submissions are not ranked, and how their scales differ from that of the ranked ones."""
    letters = name_scales(rows)
    parts = []
    for scale in dict.fromkeys(get_scale(row) for row in left_out):
        names = [row["name"] for row in left_out if get_scale(row) == scale]
        told = zip(("tokenizer", "weights", "split"), scale, get_scale(ranked), strict=True)
        differences = ", ".join(f"{key} {one}, not {other}" for key, one, other in told if any(scale) and one != other)
        counted = ", ".join(
            f"{name} ({n} times)" if (n := names.count(name)) > 1 else name for name in dict.fromkeys(names)
        )
        parts.append(f"{counted} (scale {letters[scale]}: {differences or 'unknown'})")
    return f"ranked is scale {letters[get_scale(ranked)]} alone; left out: {'; '.join(parts)}"
