"""The leaderboard as a table for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

# headings, and what stands below them of a row
_REPEATED = {"rep-2/3/4": lambda row: _join(row, "rep2", "rep3", "rep4")}
_SUMMARIES = {
    **{name: lambda row, name=name: f"{row[name]:.4f}" for name in ("score", "rouge1", "rouge2", "rougeL")},
    "difference (interval)": lambda row: _describe_difference(row),
    "whitespace 1/2/L": lambda row: _join(row, *(f"whitespace_{name}" for name in ("rouge1", "rouge2", "rougeL"))),
    "length": lambda row: f"{row['length_ratio']:.2f}",
    **_REPEATED,
    "returns": lambda row: f"{row['return_rate']:.2f}",
}
# of texts that have no references
_TEXTS = {
    "score": lambda row: f"{row['score']:.4f}",
    "difference (interval)": lambda row: _describe_difference(row),
    "length": lambda row: f"{row['length_ratio']:.2f}",
    **_REPEATED,
    "distinct-1/2/3": lambda row: _join(row, "distinct1", "distinct2", "distinct3"),
    "returns": lambda row: f"{row['return_rate']:.2f}",
    "perplexity": lambda row: f"{row['perplexity']:.2f}",
    "overlap": lambda row: f"{row['overlap']:.1%}",
}
_COST = {
    "at cap": lambda row: f"{row['at_cap']:.0%}",
    "cost": lambda row: str(row["cost"]),
    # baselines, people and files from elsewhere took no time to decode
    "seconds": lambda row: f"{row['seconds']:.0f}" if row["seconds"] == row["seconds"] else "",
}


def render_leaderboard(board: "pd.DataFrame", selected: str) -> "Table":
    """A row a configuration or baseline, best first, an arrow at the selected one.

    Args:
        board: as `pipeline.stages.score.build_leaderboard` or `pipeline.scoring.nearness.build_text_leaderboard` makes
            it; shares from 0 to 1.
    """
    from rich.table import Table

    cells = {**(_TEXTS if "perplexity" in board.columns else _SUMMARIES), **_COST}
    table = Table("", "name", *cells)
    for row in board.to_dict("records"):
        mark = "→" if row["name"] == selected else ""
        table.add_row(mark, row["name"], *(render(row) for render in cells.values()))
    return table


def _join(row: Mapping[str, Any], *columns: str) -> str:
    return "/".join(f"{row[column]:.2f}" for column in columns)


def _describe_difference(row: Mapping[str, Any]) -> str:
    return f"{row['difference']:+.4f} ({row['difference_low']:+.4f} … {row['difference_high']:+.4f})"
