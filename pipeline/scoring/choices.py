"""Rows of the leaderboard that choose among what configurations wrote: by consensus, and by what was learnt."""

from typing import TYPE_CHECKING, Any

from pipeline.params.grid import Configuration, list_configurations
from pipeline.scoring.pools import Pool, Utility, build_consensus_rows, build_pool, list_pools
from pipeline.scoring.ranking.rows import rank_candidates
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rows import CONSENSUS, RANK, compute_scores

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.reading import SelectedParams


def list_decoded(candidates: "pd.DataFrame", params: "SelectedParams") -> list[Configuration]:
    """The grid's configurations of which there are candidates: all, or those that halving left.

    Args:
        params: the section decode among them.
    """
    decoded = set(candidates["configuration"])
    return [c for c in list_configurations(params.decode) if c.name in decoded]


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

    configurations = list_decoded(candidates, params)
    names = [configuration.name for configuration in configurations]
    is_pooled = candidates["configuration"].isin(names)
    pooled = candidates if bool(is_pooled.all()) else candidates.loc[is_pooled]
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


def add_ranking(
    scored: "pd.DataFrame",
    decoded: "tuple[pd.DataFrame, pd.DataFrame]",
    examples: "pd.DataFrame",
    params: "SelectedParams",
    rouge: Rouge,
) -> tuple["pd.DataFrame", Pool, dict[str, Any]]:
    """`scored` with the row that a ranker chooses, its entry with the ranker learnt from all of validation, and what
    details/scores.json says of it.

    Args:
        decoded: candidates and `pipeline.tables.LIKELIHOODS`.
        params: the stage's: its seed, and the sections decode, rank and score.

    Raises:
        InputError: if a candidate has no likelihood, or the method cannot serve.
    """
    import pandas as pd

    utility = Utility(rouge, params.score.weights, list_decoded(decoded[0], params), params.seed)
    ranking = rank_candidates(*decoded, examples, params.rank.method, utility)
    rows = compute_scores(ranking.rows.assign(kind=RANK), examples, params.score, rouge)
    return pd.concat([scored, rows], ignore_index=True), ranking.entry, ranking.details
