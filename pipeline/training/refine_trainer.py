"""The Trainer of refine: a step reads one document, its references and its candidates, once."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from pipeline.models.likelihoods import compute_log_probabilities
from pipeline.progress import announce
from pipeline.training.candidate_features import DOCUMENT, Document
from pipeline.training.candidate_losses import (
    compute_preference_loss,
    compute_ranking_loss,
    compute_risk,
    compute_values,
    find_pairs,
)
from pipeline.training.drift import Written, find_drift
from pipeline.training.trainer import SummaryTrainer

# what a validation says, in the Trainer's log under `eval_`
VALIDATED = ("loss", "rouge", "length", "finished")


@dataclass(frozen=True)
class Refinement:
    """What is minimised: the mean nats a token of a document's references, and `gamma` times what the method makes of
    its candidates; with `best`, the mean nats a token of the best candidate alone.

    Args:
        method: `best`, `brio`, `mrt` or `dpo`.
        margin, length_penalty: of brio.
        min_gap: of brio and dpo: pairs whose ROUGE is closer are left out.
        sharpness: of mrt.
        beta: of dpo.
    """

    method: str
    gamma: float
    margin: float
    length_penalty: float
    min_gap: float
    sharpness: float
    beta: float

    def select(self, document: Document) -> list[list[int]]:
        """The candidates that are read, best first."""
        found = document.candidates
        if self.method == "best":
            return found[:1]
        return [found[0], found[-1]] if self.method == "dpo" and self.is_apart(document) else found

    def is_apart(self, document: Document) -> bool:
        """Whether the best candidate can be told from the worst."""
        return document.scores[0] - document.scores[-1] >= self.min_gap and len(document.scores) > 1

    def list_continuations(self, document: Document) -> list[list[int]]:
        """All that is read behind the prompt: references, then candidates."""
        if self.method == "best":
            return self.select(document)
        has_candidates = self.method != "dpo" or self.is_apart(document)
        return [*document.references, *(self.select(document) if has_candidates else [])]

    def compute_loss(self, document: Document, sums: torch.Tensor) -> torch.Tensor:
        """The loss of a document.

        Args:
            sums: log-probabilities of `list_continuations`, each summed over its tokens.
        """
        read = self.list_continuations(document)
        lengths = torch.tensor(list(map(len, read)), dtype=sums.dtype, device=sums.device)
        count = 1 if self.method == "best" else len(document.references)
        cross_entropy = -sums[:count].sum() / lengths[:count].sum()
        own, lengths = sums[count:], lengths[count:]
        if not len(own):
            return cross_entropy
        return cross_entropy + self.gamma * self._compute_own(document, own, lengths)

    def _compute_own(self, document: Document, sums: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        if self.method == "brio":
            values = compute_values(sums, lengths, self.length_penalty)
            return compute_ranking_loss(values, find_pairs(document.scores, self.min_gap), self.margin)
        if self.method == "mrt":
            return compute_risk(sums, torch.tensor(document.scores, device=sums.device), self.sharpness)
        assert document.before is not None
        return compute_preference_loss(sums, torch.tensor(document.before, device=sums.device), self.beta)


@dataclass
class Watch:
    """What validates beside the loss.

    Args:
        write: of a model, `rouge`, `length` and `finished`.
        start: `VALIDATED`, before the first update.
    """

    write: Callable[[Any], Written]
    start: Written = field(default_factory=dict)


class RefineTrainer(SummaryTrainer):
    """A Trainer over `pipeline.training.candidate_features`; its validation is the train stage's.

    Args:
        refinement: the loss.
        way: how the model reads several summaries, as `pipeline.models.likelihoods.select_way` says.
        watch: what validates beside the loss.
    """

    def __init__(self, *, refinement: Refinement, way: str, watch: Watch, **kwargs: Any):
        super().__init__(**kwargs)
        self.refinement, self.way, self.watch = refinement, way, watch
        self.held = ExitStack()

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The model reads branches until the backward pass is over."""
        with ExitStack() as self.held:
            return super().training_step(*args, **kwargs)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The refinement's loss, a mean over the documents of an update; in validation, nats a token."""
        if DOCUMENT not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.packing.examples = None
        document = inputs[DOCUMENT]
        read = self.refinement.list_continuations(document)
        with self.accelerator.autocast():
            values = compute_log_probabilities(model, document.prompt, read, self.way, self.held)
        loss = self.refinement.compute_loss(document, sum_by_text(values, read))
        return loss if num_items_in_batch is None else loss / num_items_in_batch

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """`eval_loss`, and what the model writes."""
        output = super().evaluation_loop(*args, **kwargs)
        model: Any = self.model
        training = model.training
        self.packing.examples = None
        output.metrics.update({f"eval_{name}": value for name, value in self.watch.write(model.eval()).items()})
        model.train(training)
        return output

    def _determine_best_metric(self, metrics: Any, trial: Any) -> bool:
        """A state that drifted, or is no better than the start, is never the best; the first one ends the run."""
        now = read_validation(metrics)
        if drift := find_drift(self.watch.start, now):
            announce(f"refine: ends after update {self.state.global_step}: {drift}; the best state before it is kept")
            self.control.should_training_stop = True
            return False
        return now["rouge"] > self.watch.start["rouge"] and super()._determine_best_metric(metrics, trial)

    def _run_epoch(self, **given: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One pass over the documents; none where a killed run had drifted and not yet ended."""
        validated = list_validations(self.state.log_history)
        if validated and find_drift(self.watch.start, validated[-1]):
            self.control.should_training_stop = True
            return
        super()._run_epoch(**given)


def sum_by_text(values: torch.Tensor, texts: list[list[int]]) -> torch.Tensor:
    """(texts,) of values (tokens of all texts,), end to end."""
    return torch.stack([part.sum() for part in values.split(list(map(len, texts)))])


def read_validation(entry: dict[str, Any]) -> Written:
    """`VALIDATED` of what the Trainer logs of a validation."""
    return {name: float(entry[f"eval_{name}"]) for name in VALIDATED}


def list_validations(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """`step` and `VALIDATED` of every validation of a run."""
    return [{"step": entry["step"], **read_validation(entry)} for entry in history if "eval_rouge" in entry]
