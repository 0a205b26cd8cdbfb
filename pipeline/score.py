"""score: candidates and validation examples in; a leaderboard, the metrics and what won out.

Selects on the board's tokenizer alone. The winner is the best mean; a configuration that is not worse beyond noise and
costs less takes its place, for it is as likely to be the better one on the board.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.decode import build_untuned_configuration, list_configurations
from pipeline.decoding.grid import UNTUNED, Configuration
from pipeline.errors import InputError
from pipeline.scoring.baselines import BASELINES, build_baseline
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.rouge import METRICS, compute_rouge
from pipeline.scoring.tokenizers import describe_tokenizer

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params import DecodeParams, ScoreParams, WeightParams

CONFIGURATION, BASELINE = "configuration", "baseline"


def collect_rows(candidates: "pd.DataFrame", examples: "pd.DataFrame") -> "pd.DataFrame":
    """First candidates and baselines, aligned with the examples.

    Returns:
        `name`, `kind` (`configuration`, `untuned` or `baseline`), `id`, `text`, `finished`; every name has every id.

    Raises:
        InputError: if candidates and examples do not belong together.
    """
    import pandas as pd

    first = candidates[candidates["candidate"] == 0]
    rows = []
    for name, group in first.groupby("configuration", sort=False):
        if len(group) != len(examples) or set(group["id"]) != set(examples["id"]):
            raise InputError(
                f"predictions/valid.parquet: configuration {name!r} has {len(group)} predictions for {len(examples)} "
                "validation examples; run the decode stage again"
            )
        aligned = group.set_index("id").loc[examples["id"]]
        kind = UNTUNED if name == UNTUNED else CONFIGURATION
        rows.append(aligned.reset_index()[["id", "text", "finished"]].assign(name=name, kind=kind))
    if all(row["kind"].iloc[0] != CONFIGURATION for row in rows):
        raise InputError("predictions/valid.parquet: holds no configuration; run the decode stage again")
    for name in BASELINES:
        texts = [build_baseline(name, text) for text in examples["text"]]
        rows.append(
            pd.DataFrame({"id": examples["id"], "text": texts, "finished": True, "name": name, "kind": BASELINE})
        )
    return pd.concat(rows, ignore_index=True)


def compute_scores(rows: "pd.DataFrame", examples: "pd.DataFrame", params: "ScoreParams") -> "pd.DataFrame":
    """`rows` with ROUGE F1 on the board's tokenizer (`rouge1` ...) and on whitespace (`whitespace_rouge1` ...)."""
    import pandas as pd

    references = examples.set_index("id")["summaries"].loc[rows["id"]].tolist()
    board = compute_rouge(list(rows["text"]), references, params.tokenizer)
    plain = compute_rouge(list(rows["text"]), references, "whitespace").add_prefix("whitespace_")
    lengths = [len(text) / max(len(many[0]), 1) for text, many in zip(rows["text"], references, strict=True)]
    scored = pd.concat([rows.reset_index(drop=True), board, plain], axis=1)
    return scored.assign(score=combine_metrics(board, params.weights), length_ratio=lengths)


def combine_metrics(metrics: "pd.DataFrame", weights: "WeightParams") -> "pd.Series":
    """The one number that selects: the weighted mean of ROUGE-1/2/L."""
    values = weights.model_dump()
    return sum(metrics[name] * values[name] for name in METRICS) / sum(values.values())


def build_leaderboard(
    scored: "pd.DataFrame", configurations: Sequence[Configuration], params: "ScoreParams", seed: int
) -> "pd.DataFrame":
    """A row a name, best first: means, and the interval of the difference to the best configuration."""
    import numpy as np
    import pandas as pd

    means = ["score", *METRICS, *(f"whitespace_{name}" for name in METRICS), "length_ratio", "finished"]
    board = pd.DataFrame(scored.groupby("name", sort=False)[means].mean())
    board.insert(0, "kind", scored.groupby("name", sort=False)["kind"].first())
    costs = {configuration.name: configuration.cost for configuration in configurations}
    board["cost"] = [costs.get(name, 0) for name in board.index]
    # several columns sort stably: equal scores and costs keep the order of params.yaml
    board = board.sort_values(["score", "cost"], ascending=[False, True])
    by_example = scored.pivot(index="name", columns="id", values="score").loc[board.index].to_numpy()
    best = int(np.argmax(board["kind"].to_numpy() == CONFIGURATION))
    difference = by_example - by_example[best]
    low, high = compute_intervals(difference, params.resamples, params.confidence, seed)
    board.insert(2, "difference", difference.mean(axis=1))
    board.insert(3, "difference_low", low)
    board.insert(4, "difference_high", high)
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
    rivals = leaderboard[(leaderboard["kind"] == CONFIGURATION) & (leaderboard["difference_high"] >= 0)]
    # the leaderboard is sorted by score, so the first of the cheapest is the best of them
    return str(rivals.loc[rivals["cost"].idxmin(), "name"])


def build_selection(name: str, kind: str, configurations: Sequence[Configuration]) -> dict[str, Any]:
    """predictions/selection.json: what to predict with, and nothing that changes while the winner stays."""
    settings = {c.name: c.settings for c in configurations}.get(name)
    if settings is None and kind != BASELINE:
        raise InputError(f"configuration {name!r} is not in decode.grid any more; run the decode stage again")
    settings = settings or {}
    return {"name": name, "kind": kind, "settings": settings}


def get_all_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid and, if it is decoded, the untuned base."""
    untuned = [build_untuned_configuration(params.max_new_tokens)] if params.untuned else []
    return [*list_configurations(params), *untuned]


def build_metrics(leaderboard: "pd.DataFrame", selected: str, params: "ScoreParams", documents: int) -> dict[str, Any]:
    """metrics/scores.json: the selected row, and the best of the baselines beside it."""
    by_name = leaderboard.set_index("name")

    def describe(name: str) -> dict[str, float]:
        return {metric: round(float(by_name.loc[name, metric]), 4) for metric in ("score", *METRICS)}

    baseline = leaderboard.loc[leaderboard["kind"] == BASELINE, "name"].iloc[0]
    metrics = {
        "tokenizer": describe_tokenizer(params.tokenizer),
        "documents": documents,
        "selected_name": selected,
        "selected": describe(selected),
        "baseline_name": baseline,
        "baseline": describe(baseline),
    }
    return {**metrics, UNTUNED: describe(UNTUNED)} if UNTUNED in by_name.index else metrics


def find_better_baseline(leaderboard: "pd.DataFrame") -> str | None:
    """One line when a baseline stands above every configuration, else None."""
    top = leaderboard.iloc[0]
    best = leaderboard[leaderboard["kind"] == CONFIGURATION].iloc[0]
    if not top["score"] > best["score"]:
        return None
    return (
        f"{top['name']} ({top['score']:.4f}) beats the best configuration {best['name']} ({best['score']:.4f}); "
        f"to submit it: dvc exp run -S predict.use={top['name']}"
    )
