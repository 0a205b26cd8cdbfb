"""What each axis of the decoding grid is worth: marginal means with intervals, and two axes together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.rows import CONFIGURATION
from pipeline.scoring.selection import get_family

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams

# of plots/axes.csv; `low` and `high` are of the difference to the axis' mean, laid around that mean
COLUMNS = ("label", "family", "axis", "value", "rows", "mean", "low", "high", "gap", "gap_low", "gap_high")
# the axis that tells families apart
FAMILIES = "family"


@dataclass(frozen=True)
class HeatMap:
    """Mean scores of a family by the values of two axes; None where no row is left."""

    family: str
    axes: tuple[str, str]
    values: tuple[list[str], list[str]]
    means: list[list[float | None]]


def split_name(name: str) -> dict[str, str]:
    """The values of a configuration by axis.

    >>> split_name("beam/num_beams:4/length_penalty:0.5")
    {'num_beams': '4', 'length_penalty': '0.5'}
    """
    return dict(part.split(":", 1) for part in name.split("/")[1:] if ":" in part)


def compute_axes(scores: "pd.DataFrame", params: "ScoreParams", seed: int) -> "pd.DataFrame":
    """The marginal mean of each value of each axis (`COLUMNS`), by family; and of the families, if there are several.

    All values of an axis answer to the same documents, so what is resampled are their differences, document by
    document. `gap` is the best value against the worst, alike for all values of an axis.

    Args:
        scores: `name`, `kind`, `id`, `score`.
    """
    import pandas as pd

    table = pivot_configurations(scores)
    groups = [(FAMILIES, FAMILIES, [get_family(name) for name in table.index])]
    for family in dict.fromkeys(groups[0][2]):
        own = [split_name(name) if get_family(name) == family else {} for name in table.index]
        axes = dict.fromkeys(axis for values in own for axis in values)
        groups += [(family, axis, [values.get(axis) for values in own]) for axis in axes]
    rows = [row for group in groups for row in _compute_axis(table, *group, params, seed)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).round(6)


def pivot_configurations(scores: "pd.DataFrame") -> "pd.DataFrame":
    """(configurations, documents) scores of the grid, in the order of their means."""
    grid = scores[scores["kind"] == CONFIGURATION]
    return grid.pivot(index="name", columns="id", values="score").loc[list(dict.fromkeys(grid["name"]))]


def _compute_axis(
    table: "pd.DataFrame", family: str, axis: str, labels: Sequence[str | None], params: "ScoreParams", seed: int
) -> list[tuple[Any, ...]]:
    """A row a value; none for an axis that holds only one."""
    import numpy as np

    values = sort_values({label for label in labels if label is not None})
    if len(values) < 2:
        return []
    members = [[place for place, label in enumerate(labels) if label == value] for value in values]
    by_value = np.stack([table.to_numpy()[places].mean(axis=0) for places in members])
    means, centre = by_value.mean(axis=1), by_value.mean(axis=0)
    low, high = _resample(by_value - centre, params, seed)
    best, worst = int(means.argmax()), int(means.argmin())
    gap = by_value[best] - by_value[worst]
    (gap_low,), (gap_high,) = _resample(gap[None], params, seed)
    heads = [value if family == FAMILIES else f"{family} {axis} {value}" for value in values]
    ends = low + centre.mean(), high + centre.mean()
    worth = gap.mean(), gap_low, gap_high
    columns = zip(heads, values, map(len, members), means, *ends, strict=True)
    return [(head, family, axis, *rest, *worth) for head, *rest in columns]


def _resample(differences: "np.ndarray", params: "ScoreParams", seed: int) -> "tuple[np.ndarray, np.ndarray]":
    return compute_intervals(differences, params.resamples, params.confidence, seed)


def sort_values(values: set[str]) -> list[str]:
    """Values in the order of their numbers, words behind them.

    >>> sort_values({"10", "9", "never"})
    ['9', '10', 'never']
    """

    def get_key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), value
        except ValueError:
            return True, 0.0, value

    return sorted(values, key=get_key)


def build_heat_maps(scores: "pd.DataFrame", axes: "pd.DataFrame") -> list[HeatMap]:
    """For each family with two axes or more, the two whose values are furthest apart.

    Args:
        axes: of `compute_axes`.
    """
    import numpy as np

    means = pivot_configurations(scores).mean(axis=1)
    maps = []
    for family, own in axes[axes["family"] != FAMILIES].groupby("family", sort=False):
        gaps = own.groupby("axis", sort=False)["gap"].first()
        pairs = sorted(combinations(gaps.index, 2), key=lambda pair: -gaps[list(pair)].sum())
        if not pairs:
            continue
        columns, rows = (list(own.loc[own["axis"] == axis, "value"]) for axis in pairs[0])
        names = {name: split_name(name) for name in means.index if get_family(name) == family}
        cells = [
            [
                [means[n] for n, v in names.items() if (v.get(pairs[0][0]), v.get(pairs[0][1])) == (x, y)]
                for x in columns
            ]
            for y in rows
        ]
        table = [[float(np.mean(cell)) if cell else None for cell in line] for line in cells]
        maps.append(HeatMap(str(family), pairs[0], (columns, rows), table))
    return maps
