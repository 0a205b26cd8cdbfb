"""The leaderboard as a table for a terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_COLUMNS = (
    *("name", "score", "rouge1", "rouge2", "rougeL", "difference (interval)"),
    *("whitespace 1/2/L", "length", "rep-2/3/4", "returns", "at cap", "cost", "seconds"),
)


def render_leaderboard(board: "pd.DataFrame", selected: str) -> "Table":
    """A row a configuration or baseline, best first, an arrow at the selected one.

    Args:
        board: as `pipeline.stages.score.build_leaderboard` makes it; ROUGE from 0 to 1.
    """
    from rich.table import Table

    table = Table("", *_COLUMNS)
    for row in board.itertuples(index=False):
        noise = f"{row.difference:+.4f} ({row.difference_low:+.4f} … {row.difference_high:+.4f})"
        scores = [f"{value:.4f}" for value in (row.score, row.rouge1, row.rouge2, row.rougeL)]
        plain = "/".join(
            f"{value:.2f}" for value in (row.whitespace_rouge1, row.whitespace_rouge2, row.whitespace_rougeL)
        )
        repeated = "/".join(f"{value:.2f}" for value in (row.rep2, row.rep3, row.rep4))
        # baselines and files from elsewhere took no time to decode
        cost = [str(row.cost), f"{row.seconds:.0f}" if row.seconds == row.seconds else ""]
        mark = "→" if row.name == selected else ""
        explained = [f"{row.length_ratio:.2f}", repeated, f"{row.return_rate:.2f}", f"{row.at_cap:.0%}"]
        table.add_row(mark, row.name, *scores, noise, plain, *explained, *cost)
    return table
