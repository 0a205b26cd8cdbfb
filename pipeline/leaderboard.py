"""The leaderboard as a table for a terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def render_leaderboard(board: "pd.DataFrame", selected: str) -> "Table":
    """A row a configuration or baseline, best first, an arrow at the selected one.

    Args:
        board: as `pipeline.score.build_leaderboard` makes it; ROUGE from 0 to 1.
    """
    from rich.table import Table

    table = Table(
        "", "name", "score", "rouge1", "rouge2", "rougeL", "difference (interval)", "length", "finished", "cost"
    )
    for row in board.itertuples(index=False):
        noise = f"{row.difference:+.4f} ({row.difference_low:+.4f} … {row.difference_high:+.4f})"
        scores = [f"{value:.4f}" for value in (row.score, row.rouge1, row.rouge2, row.rougeL)]
        mark = "→" if row.name == selected else ""
        table.add_row(mark, row.name, *scores, noise, f"{row.length_ratio:.2f}", f"{row.finished:.0%}", str(row.cost))
    return table
