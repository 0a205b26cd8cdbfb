"""Documents, their references and what a model wrote for them, as a trainer reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.training.batches import Collator, Feature

# key under which a batch carries its one document; what validates has none
DOCUMENT = "document"


@dataclass
class Document:
    """A document and several summaries of it, token ids.

    Args:
        prompt: of which all are continuations; of an encoder-decoder, its source.
        references: one or more.
        candidates: best first.
        scores: ROUGE of each candidate, from 0 to 1.
        before: dpo: the log-probabilities of the first and the last candidate by the model that training left.
    """

    prompt: list[int]
    references: list[list[int]]
    candidates: list[list[int]]
    scores: list[float]
    before: list[float] | None = None


def build_documents(examples: "pd.DataFrame", explored: "pd.DataFrame", builder: "PromptBuilder") -> list[Document]:
    """The examples that have candidates, in their order.

    Args:
        examples: `id`, `text`, `summaries`.
        explored: `pipeline.tables.EXPLORED`.

    Raises:
        InputError: if no example has candidates, or a summary does not fit into the context.
    """
    ranked = explored.sort_values("score", ascending=False, kind="stable")
    groups = dict(iter(ranked.groupby("id", sort=False)))
    found = examples[examples["id"].isin(groups.keys())]
    if not len(found):
        raise InputError("predictions/explored.parquet: holds no candidate of a training document; run explore again")
    documents = []
    for name, text, many in found[["id", "text", "summaries"]].itertuples(index=False):
        read = builder.build_training_examples([text] * len(many), list(many), [name] * len(many))
        # the longest reference leaves its document the least room
        prompts = [ids if builder.is_encoder_decoder else ids[: len(ids) - len(label)] for ids, label in read]
        group = groups[name]
        candidates = [[int(token) for token in tokens] for tokens in group["token_ids"]]
        references = [label for _, label in read]
        documents.append(Document(min(prompts, key=len), references, candidates, list(map(float, group["score"]))))
    return documents


def build_features(documents: Sequence[Document]) -> "list[dict[str, Any]]":
    """What `pipeline.training.trainer.SummaryTrainer` takes as features: batches are ordered by `input_ids`."""
    return [{"input_ids": document.prompt, DOCUMENT: document} for document in documents]


@dataclass(frozen=True)
class DocumentCollator:
    """One document -> a batch; validation examples go to the collator that they are for."""

    validation: "Collator"

    def __call__(self, features: "Sequence[Feature | dict[str, Any]]") -> dict[str, Any]:
        """`document`, and labels by which the Trainer counts one item, whether it shifts them or not."""
        if DOCUMENT not in features[0]:
            return self.validation(features)
        from torch import tensor

        from pipeline.training.batches import IGNORED

        (feature,) = features
        return {DOCUMENT: feature[DOCUMENT], "labels": tensor([[IGNORED, 0]])}
