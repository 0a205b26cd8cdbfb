"""The leaderboard as a table for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.scoring.leaderboard import abbreviate

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


# what fits beside each other in a hundred characters
WIDTH = 100
_NARROW_SUMMARIES = {
    "score": _SUMMARIES["score"],
    "difference": lambda row: _describe_difference(row, 3),
    "rouge-1/2/L": lambda row: _join(row, "rouge1", "rouge2", "rougeL"),
    "length": _SUMMARIES["length"],
    "rep-3": lambda row: f"{row['rep3']:.2f}",
}
_NARROW_TEXTS = {
    "score": _TEXTS["score"],
    "difference": lambda row: _describe_difference(row, 3),
    "length": _TEXTS["length"],
    "rep-4": lambda row: f"{row['rep4']:.2f}",
    "perplexity": _TEXTS["perplexity"],
    "overlap": lambda row: f"{row['overlap']:.0%}",
}


def render_leaderboard(board: "pd.DataFrame", selected: str, wide: bool = False) -> "Table":
    """A row a configuration or baseline, best first, an arrow at the selected one.

    Args:
        board: as `pipeline.stages.score.build_leaderboard` or `pipeline.scoring.nearness.build_text_leaderboard` makes
            it; shares from 0 to 1.
        wide: whole names and all that is known of a row, which takes 190 characters; else what fits into `WIDTH`, with
            shortened names.
    """
    is_text = "perplexity" in board.columns
    if wide:
        cells = {**(_TEXTS if is_text else _SUMMARIES), **_COST}
    else:
        cells = {**(_NARROW_TEXTS if is_text else _NARROW_SUMMARIES), "at cap": _COST["at cap"], "cost": _COST["cost"]}
    table = build_table(wide, "", "name", *cells)
    whole = board["documents"].max() if "documents" in board else 0
    for row in board.to_dict("records"):
        mark = "→" if row["name"] == selected else ""
        name = row["name"] if wide else abbreviate(row["name"])
        if row.get("documents", whole) < whole:
            name += f" (on {row['documents']} of {whole})"
        table.add_row(mark, name, *(render(row) for render in cells.values()))
    return table


def build_table(wide: bool, *columns: str) -> "Table":
    """An empty table: framed, or in few characters."""
    from rich.box import HEAVY_HEAD, SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=HEAVY_HEAD if wide else SIMPLE_HEAD, padding=(0, 1 if wide else 0), pad_edge=wide, show_edge=wide)
    for column in columns:
        # a name is never cut, for predict.use wants all of it
        table.add_column(column, overflow="fold")
    return table


def _join(row: Mapping[str, Any], *columns: str) -> str:
    return "/".join(f"{row[column]:.2f}" for column in columns)


def _describe_difference(row: Mapping[str, Any], digits: int = 4) -> str:
    low, high = (f"{row[f'difference_{side}']:+.{digits}f}" for side in ("low", "high"))
    return f"{row['difference']:+.{digits}f} ({low} … {high})"
