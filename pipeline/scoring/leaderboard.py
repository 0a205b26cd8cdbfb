"""The leaderboard: a row a configuration, pool, baseline or external file, best first."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.params.grid import Configuration
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.pools import Pool
from pipeline.scoring.repetition import compute_distinct, compute_return_rate
from pipeline.scoring.rouge.comparison import METRICS
from pipeline.scoring.rows import OWN, External, list_metrics
from pipeline.scoring.selection import shrink_means

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams

Entry = Configuration | Pool | External


def build_leaderboard(
    scored: "pd.DataFrame", entries: Sequence[Entry], seconds: Mapping[str, float], params: "ScoreParams", seed: int
) -> "pd.DataFrame":
    """A row a name, best first: means, and the interval of the difference to the best of what is decoded here.

    A row with fewer documents than others stands where its difference to the best on those documents puts it.

    Args:
        entries: what has a cost: configurations and pools.
        seconds: that decoding took, by configuration.
    """
    import numpy as np
    import pandas as pd

    shown = [*list_metrics(params), *(f"whitespace_{name}" for name in METRICS)]
    means = ["score", *shown, "length_ratio", "rep2", "rep3", "rep4", "copied"]
    groups = scored.groupby("name", sort=False)
    board = pd.DataFrame(groups[means].mean())
    board.insert(0, "kind", groups["kind"].first())
    for n in (1, 2):
        board[f"distinct{n}"] = [compute_distinct(list(many), n) for _, many in groups["tokens"]]
    board["return_rate"] = [compute_return_rate(list(many)) for _, many in groups["tokens"]]
    board["documents"] = groups["id"].nunique()
    board["at_cap"] = 1 - groups["finished"].mean()
    board["cost"] = [{entry.name: entry.cost for entry in entries}.get(name, 0) for name in board.index]
    pools = {e.name: sum(seconds.get(c.name, np.nan) for c in e.configurations) for e in entries if isinstance(e, Pool)}
    board["seconds"] = [{**seconds, **pools}.get(name, np.nan) for name in board.index]
    return insert_intervals(sort_rows(board, scored), scored, params, seed)


def sort_rows(board: "pd.DataFrame", scored: "pd.DataFrame") -> "pd.DataFrame":
    """A leaderboard by name, best first; of equals the cheaper.

    Args:
        board: `kind`, `score`, `cost` and the number of `documents`.
        scored: `name`, `id` and `score`.
    """
    # several columns sort stably: equal scores and costs keep the order of params.yaml
    placed = board.assign(place=_place_rows(board, scored)).sort_values(["place", "cost"], ascending=[False, True])
    return placed.drop(columns="place")


def _place_rows(board: "pd.DataFrame", scored: "pd.DataFrame") -> "pd.Series":
    """By name, what to sort by: the score; of a row that has not all documents, the best row's score and the difference
    to it on the documents that it has.

    Args:
        board: with `documents`.
        scored: `name`, `id` and `score`.
    """
    is_whole = board["documents"] == board["documents"].max()
    best = str(board.loc[is_whole & board["kind"].isin(OWN), "score"].idxmax())
    by_id = scored[scored["name"] == best].set_index("id")["score"]
    apart = scored["score"] - scored["id"].map(by_id)
    return board["score"].where(is_whole, board.loc[best, "score"] + apart.groupby(scored["name"]).mean())


def insert_intervals(board: "pd.DataFrame", scored: "pd.DataFrame", params: "ScoreParams", seed: int) -> "pd.DataFrame":
    """A leaderboard, best first and by name, with intervals by paired bootstrap and with expected scores.

    Args:
        scored: `name`, `id` and `score` of every row of the leaderboard; those beside what is decoded here may lack
            documents.
    """
    import numpy as np

    by_example = scored.pivot(index="name", columns="id", values="score").loc[board.index].to_numpy()
    is_own = board["kind"].isin(OWN).to_numpy()
    best = int(np.argmax(is_own))
    difference = by_example - by_example[best]
    low, high = compute_intervals(difference, params.resamples, params.confidence, seed)
    own_low, own_high = compute_intervals(by_example, params.resamples, params.confidence, seed)
    expected = np.nanmean(by_example, axis=1)
    expected[is_own] = shrink_means(by_example[is_own], list(board.index[is_own]))
    beside = {"difference": np.nanmean(difference, axis=1), "difference_low": low, "difference_high": high}
    beside |= {"score_low": own_low, "score_high": own_high, "expected": expected}
    for place, (column, values) in enumerate(beside.items(), 2):
        board.insert(place, column, values)
    return board.reset_index().round(6)


def find_better_baseline(leaderboard: "pd.DataFrame") -> str | None:
    """One line when a baseline or an external row stands above all that is decoded here, else None."""
    top = leaderboard.iloc[0]
    best = leaderboard[leaderboard["kind"].isin(OWN)].iloc[0]
    if not top["difference"] > 0:
        return None
    return (
        f"{top['name']} ({top['score']:.4f}) beats the best configuration {best['name']} ({best['score']:.4f}); "
        f"to submit it: dvc exp run -S predict.use={top['name']}"
    )


def abbreviate(name: str) -> str:
    """A row's name with its axes' initials.

    >>> abbreviate("beam/length_penalty:0.5/no_repeat_ngram_size:3")
    'beam/lp:0.5/nrns:3'
    """
    return re.sub(r"(?<=/)\w+(?=:)", lambda axis: "".join(word[0] for word in axis[0].split("_")), name)
