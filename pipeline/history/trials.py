"""experiments: every experiment beside the commit that it was run on, and what of its difference is noise.

Pure: what experiments left in; rows, lines and a table out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.history.compare import Comparison, Experiment, compare_experiments, find_differences
from pipeline.history.leaderboard import build_table
from pipeline.scoring.bootstrap import compute_intervals, is_noise
from pipeline.scoring.leaderboard import abbreviate

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.params.result_sections import ScoreParams

# lines of changed params that a table's row shows
_CHANGES = 4


@dataclass(frozen=True)
class Trial:
    """An experiment, or a commit on which some were run.

    Args:
        created: when it was made.
        experiment: what it chose and scored; None where nothing of it is left to read, with the `reason`.
        base: the name of the commit that it was run on; None of such a commit itself.
    """

    name: str
    created: datetime | None
    experiment: Experiment | None
    base: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """A trial beside the commit that it was run on.

    Args:
        score, low, high: of validation, with its interval.
        changes: params that differ, with what they were and are.
        comparison: None of a commit, or where the two cannot be compared, with the `reason`.
    """

    trial: Trial
    score: float
    low: float
    high: float
    changes: Mapping[str, tuple[Any, Any]]
    comparison: Comparison | None = None
    reason: str = ""

    @property
    def is_noise(self) -> bool:
        """Whether the difference may well be none."""
        return self.comparison is None or is_noise(self.comparison.low, self.comparison.high)


def compare_trials(trials: Sequence[Trial], params: "ScoreParams", seed: int) -> list[Finding]:
    """What each trial scored, oldest first, and how it differs from the commit that it was run on.

    Args:
        params: resamples and confidence of the paired bootstrap.
    """
    known = {trial.name: trial.experiment for trial in trials}
    findings = []
    for trial in sorted(trials, key=lambda one: (one.created is None, one.created, one.name)):
        own = trial.experiment
        if own is None:
            continue
        scores = own.scores["score"].to_numpy()
        low, high = compute_intervals(scores[None], params.resamples, params.confidence, seed)
        measured = (float(scores.mean()), float(low[0]), float(high[0]))
        base = known.get(trial.base or "")
        if base is None:
            findings.append(Finding(trial, *measured, {}))
            continue
        changes = find_differences(base.params, own.params)
        try:
            compared = compare_experiments(base, own, params.resamples, params.confidence, seed)
            findings.append(Finding(trial, *measured, changes, compared))
        except InputError as error:
            findings.append(Finding(trial, *measured, changes, None, error.mistakes[0]))
    return findings


def render_trials(findings: Sequence[Finding]) -> "Table":
    """A row a trial, in at most 120 characters."""
    table = build_table(False, "", "experiment", "made", "score (interval)", "against its commit", "row", "changed")
    best = max((finding.score for finding in findings), default=0.0)
    for finding in findings:
        made = finding.trial.created.strftime("%m-%d %H:%M") if finding.trial.created else ""
        score = f"{finding.score:.4f} ({finding.low:.3f} … {finding.high:.3f})"
        changed = [describe_change(key, *values) for key, values in finding.changes.items()]
        if len(changed) > _CHANGES:
            changed = [*changed[: _CHANGES - 1], f"and {len(changed) - _CHANGES + 1} more"]
        row = abbreviate(finding.trial.experiment.row) if finding.trial.experiment else ""
        against = "" if finding.comparison is None else describe_difference(finding.comparison)
        mark = "→" if finding.score == best else ""
        table.add_row(mark, finding.trial.name, made, score, against, row, "\n".join(changed))
    for column, width in zip(table.columns, (1, 20, 11, 22, 27, 16, 17), strict=True):
        column.max_width = width
    return table


def describe_change(key: str, before: Any, after: Any) -> str:
    """`lora.r 16 → 8`."""
    return f"{key} {'unset' if before is None else before} → {'unset' if after is None else after}"


def describe_difference(comparison: Comparison) -> str:
    """The difference with its interval, and whether that is noise."""
    verdict = " noise" if is_noise(comparison.low, comparison.high) else ""
    return f"{comparison.difference:+.4f} ({comparison.low:+.3f} … {comparison.high:+.3f}){verdict}"


def describe_findings(findings: Sequence[Finding], trials: Sequence[Trial]) -> Iterator[str]:
    """Lines: what moved the score, the largest move first; what did not; and what cannot be told."""
    compared = [finding for finding in findings if finding.comparison is not None]
    moved = sorted((f for f in compared if not f.is_noise), key=_get_size, reverse=True)
    if moved:
        yield "what moved the score:"
        yield from (_describe_finding(finding) for finding in moved)
    if still := [finding for finding in compared if finding.is_noise]:
        yield "what did not, beyond noise:"
        yield from (_describe_finding(finding) for finding in still)
    for finding in findings:
        if finding.reason:
            yield f"not compared: {finding.reason}"
    for trial in trials:
        if trial.experiment is None:
            yield f"left out: {trial.reason or trial.name}"


def _get_size(finding: Finding) -> float:
    return abs(finding.comparison.difference) if finding.comparison else 0.0


def _describe_finding(finding: Finding) -> str:
    comparison = finding.comparison
    assert comparison is not None
    changes = ", ".join(describe_change(key, *values) for key, values in finding.changes.items())
    return (
        f"  {comparison.difference:+.4f} ({comparison.low:+.4f} … {comparison.high:+.4f})  "
        f"{changes or 'no param'}  [{finding.trial.name}]"
    )
