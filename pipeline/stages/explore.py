"""explore: training documents and the tuned model in; several candidates of each document, scored, out.

A model writes what it has learnt by heart too well: its candidates are better, and more alike, than those it will be
judged by. Where that shows, the candidates of a document come from a model that was trained without it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.competition.splits import assign_folds
from pipeline.decoding.candidates import collect_candidates
from pipeline.decoding.shards import draw_examples
from pipeline.errors import InputError
from pipeline.params.grid import build_configurations
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rouge.pairs import compute_weighted_rouge

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.refine_sections import ExploreParams, RefineParams

# ROUGE points by which candidates of training documents may lead validation's
FLATTERY = 1.0


class Writers(Protocol):
    """Loads what is to write when it is asked for, for memory may hold only one model at a time."""

    def load_tuned(self) -> "tuple[Decoder, PromptBuilder]":
        """The model that train left."""
        ...

    def load_half(self, fold: int, examples: "dict[str, pd.DataFrame]") -> "tuple[Decoder, PromptBuilder]":
        """A model trained as train does, on these `train` and `valid` examples: those outside of a fold."""
        ...


@dataclass(frozen=True)
class Explored:
    """Candidates (`pipeline.tables.EXPLORED`), details/explore.json, and what a participant should know."""

    candidates: "pd.DataFrame"
    details: dict[str, Any]
    lines: list[str]


class Explorer:
    """Writes and scores candidates.

    Args:
        max_new_tokens: of a candidate.
        params: the section `explore`.
        measure: the section `refine`, for what candidates are compared by.
    """

    def __init__(self, max_new_tokens: int, params: "ExploreParams", measure: "RefineParams"):
        self.configurations = build_configurations(params.grid, max_new_tokens)
        self.weights, self.rouge = measure.weights, Rouge(measure.tokenizer)

    def write(self, writer: "tuple[Decoder, PromptBuilder]", examples: "pd.DataFrame") -> "pd.DataFrame":
        """Candidates of the examples, with their `score`."""
        table = collect_candidates(*writer, examples, self.configurations)
        references = dict(zip(examples["id"], examples["summaries"], strict=True))
        many = [references[name] for name in table["id"]]
        return table.assign(score=compute_weighted_rouge(list(table["text"]), many, self.rouge, self.weights))


def explore(
    examples: "dict[str, pd.DataFrame]", params: "ExploreParams", explorer: Explorer, writers: Writers, seed: int
) -> Explored:
    """Candidates of the training documents, or of so many of them as are asked for.

    Args:
        examples: `train` and `valid` frames.
        seed: of the draws of documents, and of the folds.

    Raises:
        InputError: if a model cannot be loaded or trained, or there are fewer different documents than folds.
    """
    chosen = draw_examples(examples["train"], params.documents, seed)
    probed, lines = {}, []
    if params.out_of_fold != "always":
        writer = writers.load_tuned()
        if params.out_of_fold == "auto":
            probed = probe(explorer, writer, chosen, examples["valid"], (params.probe, seed))
            lines.append(describe_probe(probed))
        if params.out_of_fold == "never" or probed["lead"] <= FLATTERY:
            candidates = explorer.write(writer, chosen)
            return Explored(candidates, compute_details(candidates, False, probed), lines)
        # the next model needs its memory
        del writer
    candidates = write_out_of_fold(examples, chosen, params.folds, explorer, writers, seed)
    return Explored(candidates, compute_details(candidates, True, probed), lines)


def probe(
    explorer: Explorer,
    writer: "tuple[Decoder, PromptBuilder]",
    train: "pd.DataFrame",
    valid: "pd.DataFrame",
    drawn: tuple[int, int],
) -> dict[str, Any]:
    """The mean ROUGE, in points, of the candidates of some training and some validation documents, by one model.

    Args:
        drawn: documents of each, and the seed of the draw.

    Returns:
        `documents` of each; the means `train` and `valid`, over documents; by how much train is in the `lead`.
    """
    few = {"train": draw_examples(train, *drawn), "valid": draw_examples(valid, *drawn)}
    tables = {split: explorer.write(writer, frame) for split, frame in few.items()}
    means = {split: 100 * float(table.groupby("id")["score"].mean().mean()) for split, table in tables.items()}
    counts = [len(frame) for frame in few.values()]
    return {"documents": counts, **means, "lead": means["train"] - means["valid"]}


def describe_probe(probed: dict[str, Any]) -> str:
    """One line about whether the tuned model can write for the documents that it has learnt from."""
    train, valid, lead = (probed[name] for name in ("train", "valid", "lead"))
    found = f"explore: candidates of training documents score {train:.1f}, of validation's {valid:.1f}"
    if lead > FLATTERY:
        return f"{found}: the model has learnt them by heart; models that have not seen them write"
    return f"{found}: the tuned model itself writes"


def write_out_of_fold(
    examples: "dict[str, pd.DataFrame]",
    chosen: "pd.DataFrame",
    folds: int,
    explorer: Explorer,
    writers: Writers,
    seed: int,
) -> "pd.DataFrame":
    """Candidates of the chosen training documents, each by a model that was trained on the other folds; near-copies of
    a document are in its fold."""
    import pandas as pd

    train, tables = examples["train"], []
    try:
        assigned = pd.Series(assign_folds(train, folds, seed), index=train.index)
    except ValueError as error:
        raise InputError(f"explore.folds: {error}") from error
    for fold in range(folds):
        inside = chosen[assigned.loc[chosen.index] == fold]
        if len(inside):
            rest = {"train": train[assigned != fold], "valid": examples["valid"]}
            tables.append(explorer.write(writers.load_half(fold, rest), inside))
    table, places = pd.concat(tables, ignore_index=True), {name: place for place, name in enumerate(chosen["id"])}
    return table.iloc[table["id"].map(places).argsort(kind="stable")].reset_index(drop=True)


def compute_details(candidates: "pd.DataFrame", is_out_of_fold: bool, probed: dict[str, Any]) -> dict[str, Any]:
    """details/explore.json: what was written, ROUGE in points: of all candidates, of the first, of the best."""
    by_document = candidates.groupby("id", sort=False)["score"]
    rouge = {"mean": by_document.mean(), "first": by_document.first(), "best": by_document.max()}
    return {
        "documents": int(candidates["id"].nunique()),
        "candidates": len(candidates),
        "out_of_fold": is_out_of_fold,
        "rouge": {name: round(100 * float(values.mean()), 2) for name, values in rouge.items()},
        "finished": round(float(candidates["finished"].mean()), 3),
        **({"probe": {k: v if k == "documents" else round(v, 2) for k, v in probed.items()}} if probed else {}),
    }


def describe(details: dict[str, Any]) -> str:
    """One line about what was written."""
    rouge, each = details["rouge"], details["candidates"] / max(1, details["documents"])
    return (
        f"explore: {each:.1f} different candidates of each of {details['documents']} documents; ROUGE {rouge['first']} "
        f"for the first, {rouge['mean']} in the mean, {rouge['best']} for the best"
    )
