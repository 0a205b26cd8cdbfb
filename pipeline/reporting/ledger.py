"""The ledger against the board: the submissions so far, and validation and board in one plot."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.reporting.charts import Scale, build_scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.reporting.results import Ledger

COLUMNS = ("name", "time", "row", "validation", "public", "private", "git_revision", "sha256")
NUMBERS = ("validation", "public", "private")
# a ledger of a season may be long, and the last ones are looked at
_SHOWN = 60


@dataclass(frozen=True)
class Point:
    """A submission with both scores, in percent of the plot, from the left and from below."""

    name: str
    validation: str
    public: str
    x: float
    y: float


@dataclass(frozen=True)
class Scatter:
    points: list[Point]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class LedgerView:
    """Rows newest first, how many older ones there are, the lines on them, and a plot of those with both scores."""

    rows: "list[dict[str, str]]"
    older: int
    lines: "Sequence[str]"
    scatter: Scatter | None
    columns: tuple[str, ...] = COLUMNS
    numbers: tuple[str, ...] = NUMBERS


def build_ledger(ledger: "Ledger") -> LedgerView:
    """What the page shows of the ledger; no plot for fewer than two submissions with both scores."""
    both = [row for row in ledger.rows if row["validation"] and row["public"]]
    shown = [_shorten(row) for row in reversed(ledger.rows)]
    scatter = None
    if len(both) > 1:
        xs, ys = (build_scale([float(row[key]) for row in both], 0.12) for key in ("validation", "public"))
        points = [
            Point(
                *(row[key] for key in ("name", "validation", "public")), *map(float, (row["validation"], row["public"]))
            )
            for row in both
        ]
        points = [replace(one, x=xs.place(one.x), y=ys.place(one.y)) for one in points]
        scatter = Scatter(points, _place(xs), _place(ys))
    return LedgerView(shown[:_SHOWN], len(shown[_SHOWN:]), ledger.lines, scatter)


def _place(scale: Scale) -> list[tuple[float, str]]:
    return [(scale.place(value), text) for value, text in scale.list_ticks(6)]


def _shorten(row: "Mapping[str, str]") -> dict[str, str]:
    cells = {key: row.get(key, "") for key in COLUMNS}
    cells["time"] = cells["time"][:16].replace("T", " ")
    cells |= {key: f"{float(cells[key]):.4f}" for key in NUMBERS if cells[key]}
    cells |= {"git_revision": cells["git_revision"][:7], "sha256": cells["sha256"][:8]}
    return cells
