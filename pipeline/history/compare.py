"""compare: what two experiments answered to the same validation documents, and whether they differ beyond noise.

Pure: frames and values in, values and lines out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.scoring.bootstrap import compute_intervals, describe_noise
from pipeline.scoring.rows import compute_shares

if TYPE_CHECKING:
    import pandas as pd

# params that decide what a score means: without them equal, a difference says nothing
_SCALE = ("task", "score.tokenizer", "score.weights")
# before there was another
_TASK = {"task": "summarization"}


@dataclass(frozen=True)
class Experiment:
    """What an experiment chose: its name, params by dotted key, the selected row, and `id`, `text`, `score` of it.

    `split` stands for the ids and references of its validation documents, as `pipeline.scoring.rows.digest_references`
    makes it; None where it is not known.
    """

    name: str
    params: Mapping[str, Any]
    row: str
    scores: "pd.DataFrame"
    split: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The second experiment against the first: positive is better.

    `moves` has a row a document, largest gain first: `id`, `before`, `after`, `difference`, `text_before`,
    `text_after`.
    """

    difference: float
    low: float
    high: float
    moves: "pd.DataFrame"


def flatten_params(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Params by dotted key.

    >>> flatten_params({"seed": 1, "lora": {"r": 8}})
    {'seed': 1, 'lora.r': 8}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping) and value
        found |= flatten_params(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return found


def compare_experiments(
    before: Experiment, after: Experiment, resamples: int, confidence: float, seed: int
) -> Comparison:
    """Paired bootstrap of the difference, document by document.

    Raises:
        InputError: if the two were not scored alike, or not on the same documents.
    """
    _check_comparable(before, after)
    columns = ["id", "text", "score"]
    moves = before.scores[columns].merge(after.scores[columns], on="id", suffixes=("_before", "_after"))
    moves = moves.rename(columns={"score_before": "before", "score_after": "after"})
    moves["difference"] = moves["after"] - moves["before"]
    low, high = compute_intervals(moves["difference"].to_numpy()[None], resamples, confidence, seed)
    moves = moves.sort_values("difference", ascending=False, kind="stable", ignore_index=True)
    return Comparison(float(moves["difference"].mean()), float(low[0]), float(high[0]), moves)


def _check_comparable(before: Experiment, after: Experiment) -> None:
    mistakes = []
    for key, (one, other) in find_differences(_get_scale(before.params), _get_scale(after.params)).items():
        mistakes.append(f"{before.name} and {after.name}: scored differently: {key} is {one!r} and {other!r}")
    unmatched = sorted(set(before.scores["id"]) ^ set(after.scores["id"]))
    if unmatched:
        mistakes.append(
            f"{before.name} and {after.name}: validated on different documents: {len(unmatched)} ids stand in only one "
            f"of them, first {unmatched[0]!r}"
        )
    elif None not in (before.split, after.split) and before.split != after.split:
        mistakes.append(
            f"{before.name} and {after.name}: validated on different documents: their ids are alike, and not their "
            "references"
        )
    if mistakes:
        raise InputError(mistakes)


def _get_scale(params: Mapping[str, Any]) -> dict[str, Any]:
    """What decides what a score means; of weights, each one's share."""
    scale = {key: value for key, value in (_TASK | dict(params)).items() if key.startswith(_SCALE)}
    weights = {key: scale.pop(key) for key in [*scale] if key.startswith("score.weights.")}
    return scale | compute_shares(weights)


def find_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, with both; None where one has no such key."""
    keys = [*before, *(key for key in after if key not in before)]
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def describe_comparison(
    before: Experiment, after: Experiment, comparison: Comparison, confidence: float, shown: int = 10
) -> Iterator[str]:
    """Lines: both means, the difference with its interval, what changed, and the largest moves each way."""
    moves = comparison.moves
    for experiment, column in ((before, "before"), (after, "after")):
        yield f"{experiment.name}: {moves[column].mean():.4f}  {experiment.row}"
    yield (
        f"difference: {comparison.difference:+.4f}, {confidence:.0%} interval {comparison.low:+.4f} … "
        f"{comparison.high:+.4f}: {describe_noise(comparison.low, comparison.high)}"
    )
    better, worse = int((moves["difference"] > 0).sum()), int((moves["difference"] < 0).sum())
    yield f"documents: {better} better, {worse} worse, {len(moves) - better - worse} equal, of {len(moves)}"
    differences = find_differences(before.params, after.params)
    yield from (f"params: {key}: {one!r} -> {other!r}" for key, (one, other) in differences.items())
    if not differences:
        yield "params: no difference"
    yield from _describe_moves("gains", moves[moves["difference"] > 0].head(shown))
    yield from _describe_moves("losses", moves[moves["difference"] < 0].tail(shown).iloc[::-1])


def _describe_moves(title: str, moves: "pd.DataFrame") -> Sequence[str]:
    lines = [f"largest {title}:"] if len(moves) else []
    for move in moves.itertuples(index=False):
        lines.append(f"  {move.difference:+.4f}  {move.id}")
        lines += [f"    - {move.text_before}", f"    + {move.text_after}"]
    return lines
