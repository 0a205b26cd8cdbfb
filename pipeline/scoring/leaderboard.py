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
    board["at_cap"] = 1 - groups["finished"].mean()
    board["cost"] = [{entry.name: entry.cost for entry in entries}.get(name, 0) for name in board.index]
    pools = {e.name: sum(seconds.get(c.name, np.nan) for c in e.configurations) for e in entries if isinstance(e, Pool)}
    board["seconds"] = [{**seconds, **pools}.get(name, np.nan) for name in board.index]
    # several columns sort stably: equal scores and costs keep the order of params.yaml
    board = board.sort_values(["score", "cost"], ascending=[False, True])
    return insert_intervals(board, scored, params, seed)


def insert_intervals(board: "pd.DataFrame", scored: "pd.DataFrame", params: "ScoreParams", seed: int) -> "pd.DataFrame":
    """A leaderboard, best first and by name, with intervals by paired bootstrap and with expected scores.

    Args:
        scored: `name`, `id` and `score` of every row of the leaderboard.
    """
    import numpy as np

    by_example = scored.pivot(index="name", columns="id", values="score").loc[board.index].to_numpy()
    is_own = board["kind"].isin(OWN).to_numpy()
    best = int(np.argmax(is_own))
    difference = by_example - by_example[best]
    low, high = compute_intervals(difference, params.resamples, params.confidence, seed)
    own_low, own_high = compute_intervals(by_example, params.resamples, params.confidence, seed)
    expected = by_example.mean(axis=1)
    expected[is_own] = shrink_means(by_example[is_own], list(board.index[is_own]))
    beside = {"difference": difference.mean(axis=1), "difference_low": low, "difference_high": high}
    beside |= {"score_low": own_low, "score_high": own_high, "expected": expected}
    for place, (column, values) in enumerate(beside.items(), 2):
        board.insert(place, column, values)
    return board.reset_index().round(6)


def find_better_baseline(leaderboard: "pd.DataFrame") -> str | None:
    """One line when a baseline or an external row stands above all that is decoded here, else None."""
    top = leaderboard.iloc[0]
    best = leaderboard[leaderboard["kind"].isin(OWN)].iloc[0]
    if not top["score"] > best["score"]:
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
