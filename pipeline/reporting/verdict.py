"""The verdict: what won, by how much, how sure that is, and what to upload."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.params.grid import HUMAN
from pipeline.reporting.board import Gain, compute_gains, place_gains
from pipeline.scoring.leaderboard import find_better_baseline
from pipeline.scoring.overlap import describe_overlap
from pipeline.scoring.rows import BASELINE, OWN
from pipeline.scoring.selection import describe_choice

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams
    from pipeline.reporting.results import Results


@dataclass(frozen=True)
class Verdict:
    """What the page opens with.

    Args:
        name, score, low, high: of the row that predicts the test set.
        scale: what the score is, in words.
        gains: the row against the best baseline and the best other row, where there are such.
        remarks: what else should be known, a line each.
        warning: a line, where a row that is not ours stands above.
    """

    name: str
    kind: str
    score: float
    low: float
    high: float
    scale: str
    documents: int
    gains: list[Gain]
    remarks: list[str]
    warning: str | None


def compute_verdict(results: "Results", params: "ScoreParams", seed: int) -> Verdict:
    """The verdict on a run whose leaderboard holds the row that was chosen."""
    board, chosen = results.board, results.chosen
    row = board.set_index("name").loc[chosen]
    details = results.details.get("scores", {})
    rivals = [*_find_first(results, (BASELINE,)), *_find_first(results, OWN)]
    return Verdict(
        name=chosen,
        kind=row["kind"],
        score=row["score"],
        low=row["score_low"],
        high=row["score_high"],
        scale=describe_scale(details.get("scale", {})),
        documents=results.scores["id"].nunique(),
        gains=compute_gains(results.scores, chosen, rivals, params, seed),
        remarks=list(_list_remarks(results)),
        # nobody can be told to submit what people wrote
        warning=find_better_baseline(board[board["kind"] != HUMAN]) if has_own(board) else None,
    )


def _find_first(results: "Results", kinds: tuple[str, ...]) -> list[str]:
    """The best row of some kinds that is not the chosen one."""
    board = results.board
    return list(board.loc[board["kind"].isin(kinds) & (board["name"] != results.chosen), "name"].head(1))


def has_own(board: "pd.DataFrame") -> bool:
    """Whether a row of the leaderboard is decoded here."""
    return bool(set(board["kind"]) & set(OWN))


def _list_remarks(results: "Results") -> Iterator[str]:
    details, board = results.details.get("scores", {}), results.board
    line = describe_choice(board, results.chosen) if has_own(board) else None
    if line:
        yield line
    if (fitted := details.get("cross_fitted")) is not None:
        best = board.loc[board["kind"].isin(OWN), "score"].max()
        yield (
            f"“Take the best row”, where the documents that it is scored on had no say in the choice: {fitted:.4f}, "
            f"against {best:.4f} where they had."
        )
    if details.get("without_overlap") and (line := describe_overlap(details)):
        yield line


def describe_scale(scale: dict) -> str:
    """What a score is made of.

    >>> describe_scale({"tokenizer": "mecab (python-mecab-ko 1.3.7)", "weights": {"rouge1": 0.5, "rougeL": 0.5}})
    'ROUGE-1 50 %, ROUGE-L 50 % · mecab (python-mecab-ko 1.3.7)'
    """
    weights = {name.replace("rouge", "ROUGE-"): share for name, share in scale.get("weights", {}).items()}
    shares = [f"{name} {share:.0%}".replace("%", " %") for name, share in weights.items()]
    return " · ".join(part for part in (", ".join(shares), scale.get("tokenizer", "")) if part)


def compute_others(results: "Results", params: "ScoreParams", seed: int):
    """The chosen row against each row that is not ours, as `pipeline.reporting.board.place_gains` lays them out."""
    board = results.board
    names = board.loc[~board["kind"].isin(OWN), "name"]
    gains = compute_gains(results.scores, results.chosen, list(names), params, seed)
    return place_gains(gains) if gains else None
