"""ensemble: one summary of what several experiments wrote, and what it is worth beside each of them.

Pure: frames and values in, values and lines out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError, and_more
from pipeline.history.compare import Experiment
from pipeline.params.grid import Configuration
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.consensus import compute_utilities, select_consensus
from pipeline.scoring.pools import Utility
from pipeline.scoring.ranking.rows import apply_ranker, rank_candidates
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rouge.pairs import compute_weighted_rouge
from pipeline.scoring.rows import digest_references

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams


class Way(StrEnum):
    """How several models become one: by what they wrote, or by what they are."""

    consensus = "consensus"
    ridge = "ridge"
    lambdamart = "lambdamart"
    probabilities = "probabilities"
    weights = "weights"


# by the models themselves, which decode once more
MODELS = (Way.probabilities, Way.weights)


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
        InputError: if all that there is are two summaries, of which none is nearer to the other.
    """
    if len(members) == 2 and all(len(part) == part["id"].nunique() for m in members for part in (m.valid, m.test)):
        raise InputError(
            "ensemble: of two summaries each is as near to the other, so their consensus is always the first's; use "
            "--by probabilities, weights or ridge, or a third experiment"
        )
    rouge = Rouge(params.tokenizer)
    parts = [[getattr(member, split) for member in members] for split in ("valid", "test")]
    return Summaries(*(_choose(part, rouge, params) for part in parts))


def build_ranked_ensemble(
    members: Sequence[Member], examples: "dict[str, pd.DataFrame]", way: Way, params: "ScoreParams", seed: int
) -> "tuple[Summaries, dict[str, Any]]":
    """The candidate of each document that is best by what validation teaches about all members' candidates.

    No model has read what the others wrote, so likelihoods have no say. The validation summaries are chosen by rankers
    that did not learn from their document.

    Args:
        examples: `valid`, and `test` documents.
        params: the tokenizer and the weights of the metrics.

    Returns:
        Also what `pipeline.scoring.ranking.rows.describe_ranking` tells of.

    Raises:
        InputError: if the way cannot serve.
    """
    valid, test = examples["valid"], examples["test"]
    configurations = _list_configurations(members)
    utility = Utility(Rouge(params.tokenizer), params.weights, configurations, seed)
    ranking = rank_candidates(_join(members, "valid"), None, valid, way.value, utility)
    assert ranking.entry.ranker is not None
    chosen = apply_ranker(ranking.entry.ranker, _join(members, "test"), None, test, utility)
    own = ranking.rows[["id", "text"]].rename(columns={"text": "summary"})
    return Summaries(own, chosen), ranking.details


def _join(members: Sequence[Member], split: str) -> "pd.DataFrame":
    """All candidates of a split, each configuration under its member's name too."""
    import pandas as pd

    frames = [(member, getattr(member, split)) for member in members]
    named = [frame.assign(configuration=_name(member, frame["configuration"])) for member, frame in frames]
    return pd.concat(named, ignore_index=True)


def _name(member: Member, configuration: Any) -> Any:
    return member.experiment.name + ": " + configuration


def _list_configurations(members: Sequence[Member]) -> list[Configuration]:
    """Of what the members wrote: whether it was drawn, as their params say."""
    found = []
    for member in members:
        for name in member.valid["configuration"].unique():
            is_drawn = member.experiment.params.get(f"decode.grid.{name.split('/')[0]}.do_sample", False)
            found.append(Configuration(_name(member, name), {"do_sample": is_drawn in (True, [True])}))
    return found


def choose_configuration(scores: "Sequence[pd.DataFrame]", known: Mapping[str, Configuration]) -> Configuration:
    """The configuration that scores best, in the mean of all members that have it.

    Args:
        scores: of each member, `pipeline.tables.SCORES`.
        known: the first member's configurations by name; another's may have another meaning.

    Raises:
        InputError: if none was scored by all.
    """
    import pandas as pd

    means = pd.concat([frame.groupby("name")["score"].mean() for frame in scores], axis=1, join="inner").mean(axis=1)
    means = means[means.index.isin(known)]
    if means.empty:
        raise InputError("ensemble: the experiments have no decoding configuration in common; see decode.grid of each")
    return known[str(means.idxmax())]


def check_documents(members: Sequence[Member], examples: "pd.DataFrame") -> None:
    """Raises InputError if a member lacks a document, or has another.

    Args:
        examples: of validation.
    """
    mistakes, valid, test = [], set(examples["id"]), set(members[0].test["id"])
    references = digest_references(examples)
    for member in members:
        for split, wanted, found in (("validation", valid, member.valid), ("test", test, member.test)):
            if apart := sorted(wanted ^ set(found["id"])):
                mistakes.append(
                    f"ensemble: {member.experiment.name} summarized other {split} documents: {apart[0]!r} stands in "
                    f"only one{and_more(len(apart) - 1)}"
                )
        known = member.experiment.split
        if known not in (None, references) and set(member.valid["id"]) == valid:
            mistakes.append(
                f"ensemble: {member.experiment.name} was scored against other references of validation documents"
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
) -> tuple[float, list[str]]:
    """The score of the ensemble; and lines about it, and its difference to what each member chose, with intervals.

    Args:
        examples: of validation.
    """
    references = examples.set_index("id")["summaries"].loc[summaries.valid["id"]].tolist()
    texts = list(summaries.valid["summary"])
    scores = compute_weighted_rouge(texts, references, params.tokenizer, params.weights).to_numpy()
    score = float(scores.mean())
    lines = [f"ensemble of {len(members)}: {score:.4f} on {len(texts)} validation documents"]
    for member in members:
        # scored as the ensemble is, whatever the experiment was scored by
        chosen = list(member.experiment.scores.set_index("id")["text"].loc[summaries.valid["id"]])
        own = compute_weighted_rouge(chosen, references, params.tokenizer, params.weights).to_numpy()
        low, high = compute_intervals((scores - own)[None], params.resamples, params.confidence, seed)
        lines.append(
            f"  {member.experiment.name}: {own.mean():.4f} by {member.experiment.row}; the ensemble "
            f"{(scores - own).mean():+.4f} ({low[0]:+.4f} … {high[0]:+.4f})"
        )
    return score, lines
