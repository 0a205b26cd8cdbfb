"""The ledger of submissions: what was uploaded, what validation promised, and what the board answered.

Pure: tables in, tables and lines out. submissions/ledger.csv is read and written by the command line, under a lock.
"""

import csv
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = (
    *("name", "sha256", "time", "git_revision", "dirty", "params_digest", "data_fingerprint"),
    *("row", "validation", "validation_low", "validation_high", "public", "private"),
)
Row = dict[str, str]
# all orders of so many submissions can be counted; of more, chance is approximated
_COUNTABLE = 8


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


def parse_ledger(content: bytes, source: str) -> list[Row]:
    """The rows of a ledger, oldest first. Raises InputError if it is none."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True)
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source}: is not a ledger: {error}") from error
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{source}: has columns {reader.fieldnames}, not {list(COLUMNS)}")
    if broken := [i for i, row in enumerate(rows, 2) if None in row or None in row.values()]:
        raise InputError(f"{source}: row {broken[0]}: not {len(COLUMNS)} fields")
    return rows


def render_ledger(rows: Sequence[Row]) -> bytes:
    """The ledger as CSV."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def find_identical(rows: Sequence[Row], sha256: str) -> Row | None:
    """The row that lists a file of the same content, for it is listed once."""
    return next((row for row in rows if row["sha256"] == sha256), None)


def record_scores(rows: Sequence[Row], name: str, public: float | None, private: float | None) -> list[Row]:
    """The ledger with the board's answer to a submission; of several files of a name it is the newest that counts.

    Raises:
        InputError: if no submission has the name, or there is nothing to record.
    """
    places = [i for i, row in enumerate(rows) if row["name"] == name]
    if not places:
        known = ", ".join(dict.fromkeys(row["name"] for row in rows)) or "none yet; export lists them"
        raise InputError(f"submissions/ledger.csv: no submission {name!r}; submissions: {known}")
    if public is None and private is None:
        raise InputError("leaderboard record: give --public, --private or both")
    answers = {"public": public, "private": private}
    for key, value in answers.items():
        if value is not None and not math.isfinite(value):
            raise InputError(f"leaderboard record: --{key}: {value} is not a score")
    changed = {key: repr(value) for key, value in answers.items() if value is not None}
    return [row | changed if i == places[-1] else row for i, row in enumerate(rows)]


def compute_agreement(rows: Sequence[Row], board: str = "public") -> Agreement | None:
    """Spearman correlation of validation and board over the submissions that have both; None for less than three."""
    pairs = [(float(row["validation"]), float(row[board])) for row in rows if row["validation"] and row[board]]
    if len(pairs) < 3:
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
    t = rho * math.sqrt((len(ours) - 2) / max(1 - rho**2, 1e-12))
    # the normal tail: t has as many degrees of freedom as submissions, so it is close for nine and more
    return 0.5 * math.erfc(t / math.sqrt(2))


def choose_final(rows: Sequence[Row]) -> str | None:
    """The submission to choose for the final: the best mean rank of validation and public score.

    The public board is a small sample that one has tuned to by looking at it, validation another; what is good on
    both is the safest. Before anything is recorded it is the best on validation; of equals the one that validation
    prefers.
    """
    scored = [row for row in rows if row["validation"]]
    both = [row for row in scored if row["public"]] or scored
    if not both:
        return None
    validation = _rank([float(row["validation"]) for row in both])
    public = _rank([float(row["public"] or 0) for row in both])
    best = max(range(len(both)), key=lambda i: (validation[i] + public[i], validation[i]))
    return both[best]["name"]


def describe_ledger(rows: Sequence[Row]) -> list[str]:
    """Lines on whether validation can be trusted, and which submission to choose."""
    lines = []
    if agreement := compute_agreement(rows):
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
    else:
        lines.append("record at least three public scores to see whether validation ranks as the board does")
    if chosen := choose_final(rows):
        lines.append(f"for the final: {chosen}")
    return lines


def render_table(rows: Sequence[Row]) -> "Table":
    """A row a submission, oldest first."""
    from rich.table import Table

    table = Table("submission", "time", "row", "validation (interval)", "public", "private", "revision", "sha256")
    for row in rows:
        numbers = [float(row[key]) for key in ("validation", "validation_low", "validation_high") if row[key]]
        noise = f"{numbers[0]:.4f} ({numbers[1]:.4f} … {numbers[2]:.4f})" if len(numbers) == 3 else ""
        revision = row["git_revision"][:7] + ("+" if row["dirty"] == "true" else "")
        board = [row["public"], row["private"]]
        table.add_row(row["name"], row["time"][:16], row["row"], noise, *board, revision, row["sha256"][:8])
    return table
