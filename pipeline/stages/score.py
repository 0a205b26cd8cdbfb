"""score: candidates and validation examples in; a leaderboard, the metrics and what won out.

Selects on the board's tokenizer alone. The winner is the best mean; a configuration that is not worse beyond noise and
costs less takes its place, for it is as likely to be the better one on the board.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.params.grid import UNTUNED, Configuration, Untuned, list_configurations, list_untuned
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.pools import Pool, Utility, build_consensus_rows, build_pool, compute_cross_fitted, list_pools
from pipeline.scoring.repetition import compute_distinct, compute_return_rate
from pipeline.scoring.rouge.comparison import METRICS, Rouge
from pipeline.scoring.rouge.tokenizers import describe_tokenizer
from pipeline.scoring.rows import (
    BASELINE,
    CONSENSUS,
    OWN,
    External,
    collect_rows,
    compute_scores,
    describe_scale,
    list_metrics,
)

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.reading import SelectedParams
    from pipeline.params.sections import DecodeParams, ScoreParams

Entry = Configuration | Pool | External


@dataclass(frozen=True)
class Scored:
    """What scoring says.

    Args:
        scores: a row a name and example (`pipeline.tables.SCORES`).
        leaderboard: a row a name, best first.
        details: of details/scores.json; metrics/scores.json are `select_metrics` of them.
        selection: what to predict with.
        warning: one line, if a baseline or an external row beats all that is decoded here.
    """

    scores: "pd.DataFrame"
    leaderboard: "pd.DataFrame"
    details: dict[str, Any]
    selection: dict[str, Any]
    warning: str | None


def score(
    candidates: "pd.DataFrame",
    examples: "pd.DataFrame",
    externals: Sequence[External],
    seconds: Mapping[str, float],
    params: "SelectedParams",
) -> Scored:
    """Every row of the leaderboard, and the one to predict with.

    Args:
        candidates: `pipeline.tables.CANDIDATES` of the validation examples.
        seconds: that decoding took, by configuration.
        params: the stage's: its seed, and the sections decode, score and predict.

    Raises:
        InputError: if candidates, examples and params do not belong together, or `predict.use` names no row.
    """
    rouge = Rouge(params.score.tokenizer)
    scored = compute_scores(collect_rows(candidates, examples, externals), examples, params.score, rouge)
    scored, pools = add_consensus(scored, candidates, examples, params, rouge)
    entries = [*get_all_configurations(params.decode), *externals, *pools]
    leaderboard = build_leaderboard(scored, entries, seconds, params.score, params.seed)
    selected = select_row(leaderboard, params.predict.use)
    kind = leaderboard.set_index("name").loc[selected, "kind"]
    details = build_details(leaderboard, scored, selected, params.score, params.seed)
    details["scale"] = describe_scale(examples, params.score)
    selection = build_selection(selected, kind, entries, params.score)
    return Scored(scored, leaderboard, details, selection, find_better_baseline(leaderboard))


def add_consensus(
    scored: "pd.DataFrame",
    candidates: "pd.DataFrame",
    examples: "pd.DataFrame",
    params: "SelectedParams",
    rouge: Rouge,
) -> tuple["pd.DataFrame", list[Pool]]:
    """`scored` with rows of consensus, and the pools that they stand for when all of validation is known.

    Args:
        params: the stage's: its seed, and the sections decode and score.
        rouge: on the board's tokenizer.
    """
    import pandas as pd

    decoded = set(candidates["configuration"])
    configurations = [c for c in list_configurations(params.decode) if c.name in decoded]
    names = [configuration.name for configuration in configurations]
    pooled = candidates.loc[candidates["configuration"].isin(names)]
    by_example = scored[scored["name"].isin(names)].pivot(index="id", columns="name", values="score")
    by_example = by_example.loc[examples["id"], names]
    means, weighted = by_example.mean(), params.score.consensus.weighted
    specs = list_pools(params.score.consensus.pools, pooled, configurations, means)
    if not specs:
        return scored, []
    utility = Utility(rouge, params.score.weights, configurations, params.seed)
    rows = build_consensus_rows(pooled, by_example, specs, utility, weighted).assign(kind=CONSENSUS)
    pools = [build_pool(spec, configurations, means, weighted) for spec in specs]
    return pd.concat([scored, compute_scores(rows, examples, params.score, rouge)], ignore_index=True), pools


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
    by_example = scored.pivot(index="name", columns="id", values="score").loc[board.index].to_numpy()
    best = int(np.argmax(board["kind"].isin(OWN).to_numpy()))
    difference = by_example - by_example[best]
    low, high = compute_intervals(difference, params.resamples, params.confidence, seed)
    own_low, own_high = compute_intervals(by_example, params.resamples, params.confidence, seed)
    board.insert(2, "difference", difference.mean(axis=1))
    for place, (column, values) in enumerate(
        {"difference_low": low, "difference_high": high, "score_low": own_low, "score_high": own_high}.items(), 3
    ):
        board.insert(place, column, values)
    return board.reset_index().round(6)


def select_row(leaderboard: "pd.DataFrame", use: str) -> str:
    """The name of the row to predict with: the named one, or for `best` the cheapest that is not worse beyond noise.

    Raises:
        InputError: if no row has the name.
    """
    if use != "best":
        if use not in set(leaderboard["name"]):
            raise InputError(f"params.yaml: predict.use: no row {use!r}; rows: best, {', '.join(leaderboard['name'])}")
        return use
    rivals = leaderboard[leaderboard["kind"].isin(OWN) & (leaderboard["difference_high"] >= 0)]
    # the leaderboard is sorted by score, so the first of the cheapest is the best of them
    return str(rivals.loc[rivals["cost"].idxmin(), "name"])


def build_selection(name: str, kind: str, entries: Sequence[Entry], params: "ScoreParams") -> dict[str, Any]:
    """predictions/selection.json: what to predict with, and nothing that changes while the winner stays."""
    entry = {entry.name: entry for entry in entries}.get(name)
    if isinstance(entry, Pool):
        pool = [{"name": c.name, "settings": c.settings} for c in entry.configurations]
        consensus = {"tokenizer": params.tokenizer, "metric_weights": dict(params.weights), "weights": entry.weights}
        return {"name": name, "kind": kind, "configurations": pool, **consensus}
    if isinstance(entry, External):
        return {"name": name, "kind": kind, "file": entry.file, "sha256": entry.sha256}
    if isinstance(entry, Untuned):
        return {"name": name, "kind": kind, "settings": entry.settings, "shots": entry.shots}
    if entry is None and kind != BASELINE:
        raise InputError(f"configuration {name!r} is not in decode.grid any more; run the decode stage again")
    return {"name": name, "kind": kind, "settings": entry.settings if entry else {}}


def get_all_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid and, as far as they are decoded, the rows of the untuned base."""
    return [*list_configurations(params), *list_untuned(params)]


def build_details(
    leaderboard: "pd.DataFrame", scored: "pd.DataFrame", selected: str, params: "ScoreParams", seed: int
) -> dict[str, Any]:
    """details/scores.json: the selected row, the best of the baselines beside it, and what choosing is worth.

    `cross_fitted` is the score of "take the best row" on documents that had no say in which row that is: where it is
    lower than the best row's score, that score is flattered by so much.
    """
    by_name = leaderboard.set_index("name")
    columns = [column for metric in list_metrics(params) for column in (f"{metric}_precision", f"{metric}_recall")]
    details = scored.groupby("name")[columns].mean()

    def describe(name: str, *more: str) -> dict[str, float]:
        return {key: round(float(by_name.loc[name, key]), 4) for key in ("score", *more, *list_metrics(params))}

    own = scored[scored["kind"].isin(OWN)].pivot(index="name", columns="id", values="score")
    baseline = leaderboard.loc[leaderboard["kind"] == BASELINE, "name"].iloc[0]
    metrics = {
        "tokenizer": describe_tokenizer(params.tokenizer),
        "whitespace_tokenizer": describe_tokenizer("whitespace"),
        "documents": int(scored["id"].nunique()),
        "selected_name": selected,
        "selected": describe(selected, "score_low", "score_high") | details.loc[selected].round(4).to_dict(),
        "cross_fitted": round(compute_cross_fitted(own.to_numpy(), seed), 4),
        "baseline_name": baseline,
        "baseline": describe(baseline),
    }
    return {**metrics, UNTUNED: describe(UNTUNED)} if UNTUNED in by_name.index else metrics


def select_metrics(details: Mapping[str, Any]) -> dict[str, Any]:
    """metrics/scores.json: what a table of experiments has room for.

    `score` with its interval (`low`, `high`) and ROUGE-1/2/L are of the selected row, `baseline` is the score of the
    best baseline.

    Args:
        details: as `build_details` makes them.
    """
    chosen = details["selected"]
    interval = {"low": chosen["score_low"], "high": chosen["score_high"]}
    shown = {"score": chosen["score"], **interval, **{name: chosen[name] for name in METRICS}}
    return {**shown, "selected": abbreviate(details["selected_name"]), "baseline": details["baseline"]["score"]}


def abbreviate(name: str) -> str:
    """A row's name with its axes' initials.

    >>> abbreviate("beam/length_penalty:0.5/no_repeat_ngram_size:3")
    'beam/lp:0.5/nrns:3'
    """
    return re.sub(r"(?<=/)\w+(?=:)", lambda axis: "".join(word[0] for word in axis[0].split("_")), name)


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
