"""score: candidates and validation examples in; a leaderboard, the metrics and what won out.

Selects on the board's tokenizer alone: the row that is expected to score best on new documents, or the cheapest that is
not worse beyond noise, as `score.select` says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.params.grid import UNTUNED, Configuration, Untuned, list_beside, list_configurations
from pipeline.scoring.choices import add_consensus, add_ranking
from pipeline.scoring.leaderboard import Entry, abbreviate, build_leaderboard, find_better_baseline
from pipeline.scoring.nearness import build_text_details, build_text_leaderboard, compute_text_scores
from pipeline.scoring.overlap import describe_overlap, score_without_overlap
from pipeline.scoring.pools import Pool, compute_cross_fitted
from pipeline.scoring.ranking.ranker import pack_ranker
from pipeline.scoring.ranking.rows import Ranked, describe_ranking
from pipeline.scoring.rouge.comparison import METRICS, Rouge
from pipeline.scoring.rouge.reference import check_with_reference
from pipeline.scoring.rouge.tokenizers import describe_tokenizer
from pipeline.scoring.rows import (
    BASELINE,
    OWN,
    External,
    collect_rows,
    compute_scores,
    describe_scale,
    list_metrics,
)
from pipeline.scoring.selection import describe_choice, select_row

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.reading import SelectedParams
    from pipeline.params.result_sections import DecodeParams, ScoreParams


@dataclass(frozen=True)
class Scored:
    """What scoring says.

    Args:
        scores: a row a name and example (`pipeline.tables.SCORES`).
        leaderboard: a row a name, best first.
        details: of details/scores.json; metrics/scores.json are `select_metrics` of them.
        selection: what to predict with.
        remarks: lines on what the choice costs and gives up, and on what korouge-score says of it.
        warning: one line, if a baseline or an external row beats all that is decoded here.
    """

    scores: "pd.DataFrame"
    leaderboard: "pd.DataFrame"
    details: dict[str, Any]
    selection: dict[str, Any]
    remarks: list[str]
    warning: str | None


@dataclass(frozen=True)
class Measured:
    """What earlier stages measured.

    Args:
        seconds: that decoding took, by configuration.
        overlap: `word_overlap` of details/preprocess.json.
        likelihoods: `pipeline.tables.LIKELIHOODS` of the candidates; None where nothing is learnt of them.
    """

    seconds: Mapping[str, float]
    overlap: Mapping[str, Any]
    likelihoods: "pd.DataFrame | None" = None


def score(
    candidates: "pd.DataFrame",
    examples: "pd.DataFrame",
    externals: Sequence[External],
    measured: Measured,
    params: "SelectedParams",
) -> Scored:
    """Every row of the leaderboard, and the one to predict with.

    Args:
        candidates: `pipeline.tables.CANDIDATES` of the validation examples.
        params: the stage's: its seed, and the sections decode, rank, score and predict.

    Raises:
        InputError: if candidates, examples and params do not belong together, or `predict.use` names no row.
    """
    rouge = Rouge(params.score.tokenizer)
    scored = compute_scores(collect_rows(candidates, examples, externals), examples, params.score, rouge)
    scored, pools = add_consensus(scored, candidates, examples, params, rouge)
    ranked, ranking = [], None
    if params.rank.method != "none":
        decoded = candidates, measured.likelihoods
        scored, entry, ranking = add_ranking(scored, decoded, examples, params, rouge)
        ranked = [entry]
    entries = [*get_all_configurations(params.decode), *externals, *pools, *ranked]
    leaderboard = build_leaderboard(scored, entries, measured.seconds, params.score, params.seed)
    selected = select_row(leaderboard, params.predict.use, params.score.select)
    kind = leaderboard.set_index("name").loc[selected, "kind"]
    details = build_details(leaderboard, scored, selected, params)
    details["scale"] = describe_scale(examples, params.score)
    details["without_overlap"] = score_without_overlap(scored, selected, measured.overlap, params.score)
    selection = build_selection(selected, kind, entries, params)
    remarks = [describe_choice(leaderboard, selected)]
    remarks += [_check_row(scored, examples, name, params.score) for name in (selected, details["baseline_name"])]
    remarks.append(describe_overlap(details))
    if ranking:
        details["rank"] = ranking
        remarks += describe_ranking(ranking, float(leaderboard.set_index("name").loc[ranked[0].name, "score"]))
    warning = find_better_baseline(leaderboard)
    return Scored(scored, leaderboard, details, selection, [line for line in remarks if line], warning)


def score_texts(
    candidates: "pd.DataFrame",
    examples: "pd.DataFrame",
    train: Sequence[str],
    seconds: Mapping[str, float],
    params: "SelectedParams",
) -> Scored:
    """As `score`, for continuations: the row to predict with is the nearest to what people wrote on.

    Args:
        candidates: `pipeline.tables.CONTINUATIONS` of the validation openings.
        examples: the openings, with what people wrote on.
        train: whole training texts.

    Raises:
        InputError: if candidates and examples do not belong together, or `predict.use` names no row.
    """
    scored = compute_text_scores(candidates, list(examples["id"]), train, params.score)
    configurations = get_all_configurations(params.decode)
    leaderboard = build_text_leaderboard(scored, configurations, seconds, params.score, params.seed)
    selected = select_row(leaderboard, params.predict.use, params.score.select)
    kind = leaderboard.set_index("name").loc[selected, "kind"]
    details = build_text_details(leaderboard, selected, examples, params.score)
    remark = describe_choice(leaderboard, selected)
    # nothing is compared with a reference
    scores = scored.assign(**dict.fromkeys(METRICS, float("nan")))
    selection = build_selection(selected, kind, configurations, params)
    return Scored(scores, leaderboard, details, selection, [remark] if remark else [], None)


def _check_row(scored: "pd.DataFrame", examples: "pd.DataFrame", name: str, params: "ScoreParams") -> str:
    """Scores a row again with korouge-score. Raises InputError if it says anything else."""
    row = scored[scored["name"] == name].reset_index(drop=True)
    references = examples.set_index("id")["summaries"].loc[row["id"]].tolist()
    return f"{name}: {check_with_reference(list(row['text']), references, params.tokenizer, row)}"


def build_selection(name: str, kind: str, entries: Sequence[Entry], params: "SelectedParams") -> dict[str, Any]:
    """predictions/selection.json: what to predict with, and nothing that changes while the winner stays.

    Args:
        params: the stage's; what is decoded is decoded by the same engine again.
    """
    entry = {entry.name: entry for entry in entries}.get(name)
    chosen = {"name": name, "kind": kind}
    if isinstance(entry, External):
        return {**chosen, "file": entry.file, "sha256": entry.sha256}
    if kind == BASELINE:
        return chosen
    if entry is None:
        raise InputError(f"configuration {name!r} is not in decode.grid any more; run the decode stage again")
    chosen["engine"] = params.decode.engine
    if isinstance(entry, Pool):
        pool = [{"name": c.name, "settings": c.settings} for c in entry.configurations]
        chosen |= {"configurations": pool, "tokenizer": params.score.tokenizer}
        chosen["metric_weights"] = dict(params.score.weights)
        if isinstance(entry, Ranked) and entry.ranker is not None:
            return {**chosen, "ranker": pack_ranker(entry.ranker)}
        return {**chosen, "weights": entry.weights}
    chosen["settings"] = entry.settings
    return {**chosen, "shots": entry.shots} if isinstance(entry, Untuned) else chosen


def get_all_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid and, as far as they are decoded, map-reduce and the rows of the untuned base."""
    return [*list_configurations(params), *list_beside(params)]


def build_details(
    leaderboard: "pd.DataFrame", scored: "pd.DataFrame", selected: str, params: "SelectedParams"
) -> dict[str, Any]:
    """details/scores.json: the selected row, the best of the baselines beside it, and what choosing is worth.

    `cross_fitted` is the score of "take the best row" on documents that had no say in which row that is: where it is
    lower than the best row's score, that score is flattered by so much. None after `decode.search: halving`, which let
    every document say which rows are left.

    Args:
        params: the stage's: its seed, and the sections decode and score.
    """
    by_name, metrics = leaderboard.set_index("name"), list_metrics(params.score)
    columns = [column for metric in metrics for column in (f"{metric}_precision", f"{metric}_recall")]
    parts = scored.groupby("name")[columns].mean()

    def describe(name: str, *more: str) -> dict[str, float]:
        return {key: round(float(by_name.loc[name, key]), 4) for key in ("score", *more, *metrics)}

    own = scored[scored["kind"].isin(OWN)].pivot(index="name", columns="id", values="score")
    baseline = leaderboard.loc[leaderboard["kind"] == BASELINE, "name"].iloc[0]
    is_fresh = params.decode.search == "grid"
    details = {
        "tokenizer": describe_tokenizer(params.score.tokenizer),
        "whitespace_tokenizer": describe_tokenizer("whitespace"),
        "documents": int((scored["name"] == selected).sum()),
        "selected_name": selected,
        "selected": describe(selected, "score_low", "score_high", "expected") | parts.loc[selected].round(4).to_dict(),
        "cross_fitted": round(compute_cross_fitted(own.to_numpy(), params.seed), 4) if is_fresh else None,
        "baseline_name": baseline,
        "baseline": describe(baseline),
    }
    return {**details, UNTUNED: describe(UNTUNED)} if UNTUNED in by_name.index else details


def select_metrics(details: Mapping[str, Any]) -> dict[str, Any]:
    """metrics/scores.json: what a table of experiments has room for.

    `score` with its interval (`low`, `high`) and ROUGE-1/2/L are of the selected row, `baseline` is the score of the
    best baseline. Where texts were continued, repetition, perplexity and overlap with train stand in their place.

    Args:
        details: as `build_details` makes them.
    """
    chosen = details["selected"]
    interval = {"low": chosen["score_low"], "high": chosen["score_high"]}
    figures = METRICS if "baseline" in details else ("rep4", "perplexity", "overlap")
    shown = {"score": chosen["score"], **interval, **{name: chosen[name] for name in figures}}
    shown["selected"] = abbreviate(details["selected_name"])
    return {**shown, "baseline": details["baseline"]["score"]} if "baseline" in details else shown
