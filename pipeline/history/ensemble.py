"""ensemble: the consensus of what several experiments wrote, and what it is worth beside each of them.

Pure: frames and values in, values and lines out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InputError, and_more
from pipeline.history.compare import Experiment
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.consensus import compute_utilities, select_consensus
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rouge.pairs import compute_weighted_rouge

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams


@dataclass(frozen=True)
class Member:
    """An experiment, and the candidates (`pipeline.tables.CANDIDATES`) that it chose from: of validation documents, and
    of the same configurations for test documents."""

    experiment: Experiment
    valid: "pd.DataFrame"
    test: "pd.DataFrame"


@dataclass(frozen=True)
class Summaries:
    """`id` and `summary` of validation and of test documents."""

    valid: "pd.DataFrame"
    test: "pd.DataFrame"


def build_ensemble(members: Sequence[Member], examples: "pd.DataFrame", params: "ScoreParams") -> Summaries:
    """The candidate of each document that is nearest to those of all members; each member counts alike.

    Nothing is learnt from references, so that the validation score is not flattered by having chosen.

    Args:
        examples: of validation.
        params: the tokenizer and the weights of the metrics.

    Raises:
        InputError: if the members did not summarize the same documents.
    """
    check_documents(members, set(examples["id"]))
    rouge = Rouge(params.tokenizer)
    parts = [[getattr(member, split) for member in members] for split in ("valid", "test")]
    return Summaries(*(_choose(part, rouge, params) for part in parts))


def check_documents(members: Sequence[Member], valid: set[str]) -> None:
    """Raises InputError if a member lacks a document, or has another."""
    mistakes, test = [], set(members[0].test["id"])
    for member in members:
        for split, wanted, found in (("validation", valid, member.valid), ("test", test, member.test)):
            if apart := sorted(wanted ^ set(found["id"])):
                mistakes.append(
                    f"ensemble: {member.experiment.name} summarized other {split} documents: {apart[0]!r} stands in "
                    f"only one{and_more(len(apart) - 1)}"
                )
    if mistakes:
        raise InputError(mistakes)


def _choose(parts: "Sequence[pd.DataFrame]", rouge: Rouge, params: "ScoreParams") -> "pd.DataFrame":
    import pandas as pd

    joined = pd.concat([part.assign(member=number) for number, part in enumerate(parts)], ignore_index=True)
    rouge.add(joined["text"])
    chosen = {}
    for name, group in joined.groupby("id", sort=False):
        texts = group["text"].tolist()
        # a member that wrote more candidates has no more to say
        shares = 1 / group.groupby("member")["text"].transform("size").to_numpy()
        chosen[name] = texts[select_consensus(compute_utilities(texts, rouge, params.weights), shares)]
    return pd.DataFrame({"id": list(chosen), "summary": list(chosen.values())})


def describe_ensemble(
    members: Sequence[Member], summaries: Summaries, examples: "pd.DataFrame", params: "ScoreParams", seed: int
) -> Iterator[str]:
    """Lines: the score of the ensemble, and its difference to what each member chose, with intervals.

    Args:
        examples: of validation.
    """
    references = examples.set_index("id")["summaries"].loc[summaries.valid["id"]].tolist()
    texts = list(summaries.valid["summary"])
    scores = compute_weighted_rouge(texts, references, params.tokenizer, params.weights).to_numpy()
    candidates = sum(len(member.valid) for member in members) / len(texts)
    yield (
        f"ensemble of {len(members)}: {scores.mean():.4f} on {len(texts)} validation documents, "
        f"chosen from {candidates:.0f} candidates each"
    )
    for member in members:
        own = member.experiment.scores.set_index("id")["score"].loc[summaries.valid["id"]].to_numpy()
        low, high = compute_intervals((scores - own)[None], params.resamples, params.confidence, seed)
        yield (
            f"  {member.experiment.name}: {own.mean():.4f} by {member.experiment.row}; the ensemble "
            f"{(scores - own).mean():+.4f} ({low[0]:+.4f} … {high[0]:+.4f})"
        )
