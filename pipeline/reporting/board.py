"""The leaderboard's rows as the page shows them: figures, and where each row's interval stands in the plot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.reporting.axes import split_name
from pipeline.reporting.charts import Scale, build_scale, set_minus
from pipeline.scoring.bootstrap import compute_intervals, describe_noise
from pipeline.scoring.rows import OWN
from pipeline.scoring.selection import get_family

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams

# a row that would squeeze all others is cut: the scale holds the better rows, this share of them, and each further one
# that widens it by no more than so much
_SHOWN, _WIDER = 0.67, 1.5


@dataclass(frozen=True)
class Column:
    """A column of a table of rows: its heading, what it means, and how a value is written."""

    key: str
    heading: str
    meaning: str
    write: Callable[[float], str]


def _write_decimals(digits: int) -> Callable[[float], str]:
    return lambda value: set_minus(f"{value:.{digits}f}")


def _write_percent(value: float) -> str:
    return f"{value:.0%}"


_FOUR, _TWO = _write_decimals(4), _write_decimals(2)
FIGURES = (
    *(Column(f"rouge{n}", f"R-{n}", f"ROUGE-{n} F1 on the board's tokenizer", _FOUR) for n in ("1", "2", "L")),
    Column("perplexity", "perplexity", "of the text under the tuned model", _TWO),
    Column("overlap", "overlap", "share of its word 8-grams that stand in train", _write_decimals(3)),
    Column("expected", "expected", "on new documents: the mean, drawn towards its family's by its noise", _FOUR),
    Column("cost", "cost", "rows decoded a document", lambda value: f"{value:g}"),
    Column("seconds", "seconds", "that decoding the validation documents took", _write_decimals(0)),
)
REPETITION = (
    Column("length_ratio", "length", "characters to those of the reference", _TWO),
    *(Column(f"rep{n}", f"rep-{n}", f"share of {n}-grams that stand in the summary before", _TWO) for n in (2, 3, 4)),
    Column("copied", "copied", "share of its bigrams that stand in the document", _TWO),
    *(Column(f"distinct{n}", f"distinct-{n}", f"share of all {n}-grams that are different ones", _TWO) for n in (1, 2)),
    Column("return_rate", "returns", "how often a word comes back", _TWO),
    Column("at_cap", "at cap", "share that never ended by itself", _write_percent),
)


@dataclass(frozen=True)
class Row:
    """A row: its name in two parts, its figures by column, and its point and whisker in percent of the plot.

    `whisker` is the paired interval of the difference to the best row, laid beside that row's score; `is_cut` where
    the point stands outside the plot; `verdict` says what noise makes of it.
    """

    name: str
    kind: str
    family: str
    settings: list[str]
    score: float
    interval: tuple[float, float]
    difference: float
    bounds: tuple[float, float]
    figures: dict[str, Any]
    point: float
    whisker: tuple[float, float]
    is_cut: bool
    is_chosen: bool
    verdict: str


@dataclass(frozen=True)
class Board:
    """The leaderboard: its rows, its plot's ticks in percent, where the best row stands, and the columns it has."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    best: float
    columns: list[Column]
    repetition: list[Column]


def build_board(board: "pd.DataFrame", chosen: str) -> Board:
    """The rows of metrics/leaderboard.csv; columns that it has not are left out.

    Args:
        board: best first; rows of any kind.
        chosen: the name of the row that predicts the test set.
    """
    own = board[board["kind"].isin(OWN)]
    top = float((own if len(own) else board)["score"].max())
    ends = {end: top + board[f"difference_{end}"] for end in ("low", "high")}
    scale = _choose_scale(ends["low"], [*ends["high"], *board["score"]])
    rows = [_build_row(row, scale, top, chosen) for row in _tell_documents(board)]
    kept = [[c for c in columns if c.key in board.columns] for columns in (FIGURES, REPETITION)]
    ticks = [(scale.place(value), text) for value, text in scale.list_ticks(6)]
    return Board(rows, ticks, scale.place(top), *kept)


def _choose_scale(lows: "pd.Series", highs: Sequence[float]) -> Scale:
    ordered, highest = sorted(lows, reverse=True), max(highs)
    lowest = ordered[: max(2, round(len(ordered) * _SHOWN))][-1]
    for low in ordered:
        if highest - low <= _WIDER * (highest - lowest):
            lowest = min(low, lowest)
    return build_scale([lowest, highest])


def _tell_documents(board: "pd.DataFrame") -> "list[dict[str, Any]]":
    """The rows; of one that has not all documents, `few` says so."""
    rows = board.to_dict("records")
    whole = max((row.get("documents", 0) for row in rows), default=0)
    return [
        {**row, "few": f"on {n} of {whole} documents" if (n := row.get("documents", 0)) < whole else ""} for row in rows
    ]


def _build_row(row: Mapping[str, Any], scale: Scale, top: float, chosen: str) -> Row:
    low, high = row["difference_low"], row["difference_high"]
    settings = split_name(row["name"])
    family = get_family(row["name"]) if settings else row["name"]
    return Row(
        name=row["name"],
        kind=row["kind"],
        family=family,
        settings=[*(f"{axis} {value}" for axis, value in settings.items()), *([row["few"]] if row["few"] else [])],
        score=row["score"],
        interval=(row["score_low"], row["score_high"]),
        difference=row["difference"],
        bounds=(low, high),
        figures={column.key: row[column.key] for column in (*FIGURES, *REPETITION) if column.key in row},
        # where few documents were read, their own level says nothing beside the others'
        point=scale.place(top + row["difference"] if row["few"] else row["score"]),
        whisker=(scale.place(top + low), scale.place(top + high)),
        is_cut=(top + row["difference"] if row["few"] else row["score"]) < scale.low,
        is_chosen=row["name"] == chosen,
        verdict=describe_noise(low, high) if low or high else "the best of what is decoded here",
    )


@dataclass(frozen=True)
class Gain:
    """What one row has over another on the same documents, and its place in a plot of several."""

    over: str
    kind: str
    difference: float
    low: float
    high: float
    wins: int
    losses: int

    @property
    def noise(self) -> str:
        return describe_noise(self.low, self.high)


def compute_gains(
    scores: "pd.DataFrame", name: str, others: Sequence[str], params: "ScoreParams", seed: int
) -> list[Gain]:
    """A row against each of some others, by paired bootstrap on the documents that both have; without itself.

    Args:
        scores: `name`, `kind`, `id`, `score`.
    """
    others = [other for other in dict.fromkeys(others) if other != name]
    if not others:
        return []
    import numpy as np

    table = scores.pivot(index="name", columns="id", values="score")
    kinds = scores.drop_duplicates("name").set_index("name")["kind"]
    differences: np.ndarray = table.loc[name].to_numpy() - table.loc[others].to_numpy()
    lows, highs = compute_intervals(differences, params.resamples, params.confidence, seed)
    return [
        Gain(
            other,
            kinds[other],
            float(np.nanmean(own)),
            float(low),
            float(high),
            int((own > 0).sum()),
            int((own < 0).sum()),
        )
        for other, own, low, high in zip(others, differences, lows, highs, strict=True)
    ]


def place_gains(gains: Sequence[Gain]) -> tuple[list[tuple[Gain, dict[str, float]]], list[tuple[float, str]], float]:
    """Gains with their places in one plot, its ticks, and where zero stands; all in percent."""
    scale = build_scale([0.0, *(value for gain in gains for value in (gain.low, gain.high))])
    placed = [
        (gain, {"point": scale.place(gain.difference), "low": scale.place(gain.low), "high": scale.place(gain.high)})
        for gain in gains
    ]
    return placed, [(scale.place(value), text) for value, text in scale.list_ticks(6)], scale.place(0.0)
