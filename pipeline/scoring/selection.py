"""Which row to predict with: the one with the highest expected score on documents that nobody has seen.

The best of many means is flattered: it is the best partly by chance. So each row's mean is drawn towards its family's
by as much as its noise explains of how far apart the family's rows are (empirical Bayes; Efron & Morris 1975, "Data
analysis using Stein's estimator and its generalizations"). `benchmarks/selection.py` compares it with other rules.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.scoring.rows import OWN

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# scores that differ by less are practically equal, and cost decides
EQUAL = 0.0005


def get_family(name: str) -> str:
    """The family of a row of the leaderboard: `beam` of `beam/length_penalty:0.5`, `consensus` of `consensus/all`."""
    return name.split("/")[0]


def shrink_means(scores: "np.ndarray", names: Sequence[str]) -> "np.ndarray":
    """(rows,): the mean of each row, drawn towards its family's.

    The rows of a family answer to the same documents, so noise is that of their differences to the family's mean,
    document by document.

    Args:
        scores: (rows, examples).
        names: (rows,) of the leaderboard.
    """
    import numpy as np

    families = np.array([get_family(name) for name in names])
    expected = scores.mean(axis=1)
    examples = scores.shape[1]
    for family in np.unique(families):
        places = np.flatnonzero(families == family)
        # one row has nothing to be compared with, one document no noise that could be seen
        if len(places) < 2 or examples < 2:
            continue
        centre = scores[places].mean(axis=0)
        apart = scores[places] - centre
        gaps = apart.mean(axis=1)
        # one figure for the family: of a noise for each row, the row that differs most would be believed least
        noise = apart.var(axis=1, ddof=1).mean() / examples
        variance = gaps.var(ddof=1)
        share = max(0.0, 1 - noise / variance) if variance else 0.0
        expected[places] = centre.mean() + share * gaps
    return expected


def select_expected(expected: Sequence[float], costs: Sequence[int]) -> int:
    """The place of the row that is expected to score best; of those practically equal to it, the cheapest.

    Args:
        expected: (rows,), best means first, for among equals the first wins.
        costs: (rows,) of decoding.
    """
    best = max(expected)
    rivals = [place for place, score in enumerate(expected) if score >= best - EQUAL]
    return min(rivals, key=lambda place: (costs[place], -expected[place]))


def select_cheapest(highest: Sequence[float], costs: Sequence[int]) -> int:
    """The place of the cheapest row that is not worse than the best beyond noise.

    Args:
        highest: (rows,), best means first: the upper end of each row's interval of the difference to the best.
        costs: (rows,) of decoding.
    """
    rivals = [place for place, high in enumerate(highest) if high >= 0]
    return min(rivals, key=lambda place: costs[place])


def select_row(leaderboard: "pd.DataFrame", use: str, select: str) -> str:
    """The name of the row to predict with: the named one, or for `best` the one that `score.select` chooses.

    Raises:
        InputError: if no row has the name.
    """
    if use != "best":
        if use not in set(leaderboard["name"]):
            raise InputError(f"params.yaml: predict.use: no row {use!r}; rows: best, {', '.join(leaderboard['name'])}")
        return use
    # sorted by score, so of equals the first is the best
    rivals = leaderboard[leaderboard["kind"].isin(OWN)]
    if select == "cheapest":
        place = select_cheapest(rivals["difference_high"].tolist(), rivals["cost"].tolist())
    else:
        place = select_expected(rivals["expected"].tolist(), rivals["cost"].tolist())
    return str(rivals["name"].iloc[place])


def describe_choice(leaderboard: "pd.DataFrame", selected: str) -> str | None:
    """One line: what the selected row gains or gives up against its rival, and what that costs in decoded rows.

    The rival of the cheapest is the row expected to score best, and the other way round. None where there is no such
    choice.
    """
    names = {select: select_row(leaderboard, "best", select) for select in ("expected", "cheapest")}
    if selected not in names.values() or names["expected"] == names["cheapest"]:
        return None
    (best, cheap), rows = (names["expected"], names["cheapest"]), leaderboard.set_index("name")
    if rows.loc[cheap, "cost"] >= rows.loc[best, "cost"]:
        return None
    gain = rows.loc[best, "expected"] - rows.loc[cheap, "expected"]
    costs = f"{rows.loc[best, 'cost']} rows a document instead of {rows.loc[cheap, 'cost']}"
    if selected == cheap:
        return f"{cheap} gives up an expected {gain:.4f} against {best}, which costs {costs} (score.select: expected)"
    return f"{best} costs {costs} for an expected {gain:.4f} over {cheap}, the cheapest that noise does not tell apart"
