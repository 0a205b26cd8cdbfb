"""The page on experiments: each with its interval over time, what each param did, and what moved the score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.reporting.charts import Scale, build_scale
from pipeline.reporting.ledger import build_ledger
from pipeline.reporting.page import render_page

if TYPE_CHECKING:
    from pipeline.reporting.results import Ledger

# values of a param that are shown beside each other
_VALUES = 30


@dataclass(frozen=True)
class Mark:
    """An experiment.

    Args:
        name, made, row: how it is called, when it was made, and the row that it chose.
        score, low, high: of validation, with its interval.
        params: by dotted key.
        changes: what it changed against its commit, in words.
        verdict: what came of that, in words; blank of a commit.
        is_noise: whether the difference may well be none.
    """

    name: str
    made: str
    row: str
    score: float
    low: float
    high: float
    params: Mapping[str, Any]
    changes: Sequence[str]
    verdict: str
    is_noise: bool

    @property
    def tone(self) -> str:
        """The class of the verdict: a gain, a loss, or nothing to get excited about."""
        if self.is_noise or not self.verdict:
            return "quiet"
        return "signal" if self.verdict.startswith("+") else "noise"


@dataclass(frozen=True)
class Value:
    """An experiment in the small plot of a param: the param's value, and its mark and whisker in percent."""

    value: str
    name: str
    score: float
    point: float
    low: float
    high: float


@dataclass(frozen=True)
class Multiple:
    """The small plot of a param that varied."""

    key: str
    values: list[Value]
    more: int


def render_experiments(marks: Sequence[Mark], lines: Sequence[str], ledger: "Ledger", confidence: float) -> str:
    """The page as HTML.

    Args:
        marks: oldest first.
        lines: what moved the score and what did not.
    """
    scale = build_scale([end for mark in marks for end in (mark.low, mark.high)])
    best = max(marks, key=lambda mark: mark.score)
    return render_page(
        template="experiments.html",
        title="Experiments",
        confidence=f"{confidence:.0%}".replace("%", " %"),
        marks=[(mark, *_place(scale, mark)) for mark in marks],
        best=best,
        best_place=scale.place(best.score),
        ticks_found=_list_ticks(scale),
        multiples=build_multiples(marks, scale),
        lines=group_lines(lines),
        ledger=build_ledger(ledger),
    )


def group_lines(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Lines under their headings: those that are not indented."""
    groups: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith(" ") and groups:
            groups[-1][1].append(line.strip())
        else:
            groups.append((line.rstrip(":"), []))
    return groups


def _place(scale: Scale, mark: Mark) -> tuple[float, float, float]:
    return scale.place(mark.score), scale.place(mark.low), scale.place(mark.high)


def _list_ticks(scale: Scale) -> list[tuple[float, str]]:
    return [(scale.place(value), text) for value, text in scale.list_ticks(6)]


def build_multiples(marks: Sequence[Mark], scale: Scale) -> list[Multiple]:
    """A plot for each param that has more than one value among the experiments, values in their order."""
    keys = dict.fromkeys(key for mark in marks for key in mark.params)
    multiples = []
    for key in keys:
        if len({_write(mark.params.get(key)) for mark in marks}) < 2:
            continue
        ordered = sorted(marks, key=lambda mark: _get_order(mark.params.get(key)))
        values = [Value(_write(mark.params.get(key)), mark.name, mark.score, *_place(scale, mark)) for mark in ordered]
        multiples.append(Multiple(key, values[:_VALUES], len(values[_VALUES:])))
    return multiples


def _get_order(value: Any) -> tuple[int, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if is_number else (1, 0.0, _write(value))


def _write(value: Any) -> str:
    return "unset" if value is None else str(value)
