"""report: what the graph left in; one page to look at, and the grid's axes for `dvc plots`, out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.reporting.axes import FAMILIES, build_heat_maps, compute_axes
from pipeline.reporting.board import build_board
from pipeline.reporting.browser import add_cuts, build_browser
from pipeline.reporting.charts import build_curve, build_scale
from pipeline.reporting.ledger import build_ledger
from pipeline.reporting.page import flatten_sections, render_page
from pipeline.reporting.quality import list_length_tables, list_quality_tables
from pipeline.reporting.results import Results
from pipeline.reporting.verdict import compute_others, compute_verdict
from pipeline.scoring.bootstrap import describe_noise

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.reading import SelectedParams


@dataclass(frozen=True)
class Report:
    """reports/report.html, and plots/axes.csv (`pipeline.reporting.axes.COLUMNS`)."""

    html: str
    axes: "pd.DataFrame"


def report(results: Results, params: "SelectedParams") -> Report:
    """The report on a run.

    Args:
        params: every section, for the page shows them all; seed, score and report shape it.

    Raises:
        InputError: if leaderboard, scores, validation and selection do not belong together.
    """
    refuse_mixture(results)
    names = list(results.board["name"])
    axes = compute_axes(results.scores, params.score, params.seed)
    browser = build_browser(results.scores, results.examples, names, results.chosen, params.report)
    verdict = compute_verdict(results, params.score, params.seed)
    html = render_page(
        title=f"Report: {params.export.name}",
        results=results,
        verdict=verdict,
        confidence=f"{params.score.confidence:.0%}".replace("%", " %"),
        board=build_board(results.board, results.chosen),
        others=compute_others(results, params.score, params.seed),
        axes=group_axes(axes),
        heat_maps=build_heat_maps(results.scores, axes) if len(axes) else [],
        curves=build_curves(results),
        lengths=list_length_tables(results.details.get("preprocess", {})),
        quality=list_quality_tables(results.details.get("preprocess", {}), results.removed),
        ledger=build_ledger(results.ledger),
        sections=flatten_sections(dump_sections(vars(params))),
        browser=add_cuts(browser, params.score),
    )
    return Report(html, axes)


def refuse_mixture(results: Results) -> None:
    """Raises InputError if files of different runs are put together."""
    rows, documents = set(results.board["name"]), set(results.examples["id"])
    mistakes = []
    if results.chosen not in rows:
        mistakes.append(f"predictions/selection.json: metrics/leaderboard.csv has no row {results.chosen!r}")
    if rows != set(results.scores["name"]):
        mistakes.append("predictions/scores.parquet: has other rows than metrics/leaderboard.csv")
    if documents != set(results.scores["id"]):
        mistakes.append("predictions/scores.parquet: has other documents than data/processed/valid.parquet")
    if mistakes:
        raise InputError([f"{line}; run the score stage again" for line in mistakes])


def group_axes(axes: "pd.DataFrame") -> list[dict[str, Any]]:
    """A plot an axis: its values with their places in percent, its ticks, and what its best value is worth."""
    groups = []
    for family, axis in axes[["family", "axis"]].drop_duplicates().to_numpy():
        own = axes[(axes["family"] == family) & (axes["axis"] == axis)]
        scale = build_scale([*own["low"], *own["high"]], 0.06)
        first = own.iloc[0]
        values = [
            {"value": row.value, "mean": row.mean, "rows": row.rows, "ends": (row.low, row.high)}
            | {"point": scale.place(row.mean), "low": scale.place(row.low), "high": scale.place(row.high)}
            for row in own.itertuples(index=False)
        ]
        ticks = [(scale.place(value), text) for value, text in scale.list_ticks(6)]
        gap = {"mean": first["gap"], "low": first["gap_low"], "high": first["gap_high"]}
        gap |= {"best": own.loc[own["mean"].idxmax(), "value"], "worst": own.loc[own["mean"].idxmin(), "value"]}
        gap["noise"] = describe_noise(gap["low"], gap["high"])
        # of an axis that stands in one family alone, not all values have as many rows after a search by halving
        uneven = axis != FAMILIES and own["rows"].nunique() > 1
        groups.append({"family": family, "axis": axis, "values": values, "ticks": ticks, "gap": gap, "uneven": uneven})
    return groups


def build_curves(results: Results) -> list[Any]:
    """Charts of the losses, the learning rate and ROUGE over steps, as far as the run has them."""
    history, checked = results.history, results.details.get("train", {}).get("validation", [])
    drawn = {
        "loss (nats a token)": [
            ("training", "one", list(zip(history["step"], history["loss"], strict=True))),
            ("validation", "two", [(one["step"], one["loss"]) for one in checked]),
        ],
        "learning rate": [("", "one", list(zip(history["step"], history["learning_rate"], strict=True)))],
        "validation ROUGE": [("", "two", [(one["step"], one["rouge"]) for one in checked if "rouge" in one])],
    }
    curves = [build_curve(title, series) for title, series in drawn.items()]
    return [curve for curve in curves if curve]


def dump_sections(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of params as plain values."""
    return {name: value.model_dump() if hasattr(value, "model_dump") else value for name, value in sections.items()}
