"""What is to be decoded, under which limits, and what it cost: all that the engine and its flights share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.decoding.processors import Processing, build_processing
from pipeline.params.grid import Configuration


@dataclass(frozen=True)
class Document:
    """A prompt and what is wanted of it.

    Args:
        name: its id; samples depend on it.
        prompt: token ids, at least one.
        configurations: indices of the configurations to decode it with.
    """

    name: str
    prompt: list[int]
    configurations: tuple[int, ...]


@dataclass
class Statistics:
    """What a run cost.

    Args:
        steps: forward passes after prefill.
        rows: rows computed, over all steps.
        wanted_rows: rows that the searches followed; equal ones were computed once.
        seconds: by configuration index; a row's cost is shared by those that followed it.
    """

    steps: int = 0
    rows: int = 0
    wanted_rows: int = 0
    seconds: dict[int, float] = field(default_factory=dict)

    def add(self, rows: np.ndarray, configurations: Sequence[int], seconds: float) -> None:
        """One step: the row that each sequence followed, the configuration that it belonged to, and its time."""
        counts = np.bincount(rows)
        distinct = int((counts > 0).sum())
        shares = np.bincount(configurations, weights=seconds / distinct / counts[rows])
        for index in np.flatnonzero(shares).tolist():
            self.seconds[index] = self.seconds.get(index, 0.0) + float(shares[index])
        self.steps += 1
        self.rows += distinct
        self.wanted_rows += len(rows)


@dataclass
class Plan:
    """What may be asked for, and how much of it together.

    Args:
        configurations: what may be asked for.
        seed: samples depend on it, the configuration, the document's name and the sample's index alone.
        eos: the tokens that end a sequence.
        max_rows: rows in flight, equal ones counted apart; halved whenever memory runs out.
        max_documents: documents in flight.
    """

    configurations: Sequence[Configuration]
    seed: int
    eos: list[int]
    max_rows: int
    max_documents: int

    @cached_property
    def longest(self) -> int:
        """The most tokens that a configuration may write."""
        return max(c.settings["max_new_tokens"] for c in self.configurations)

    @cached_property
    def rules(self) -> list[Processing]:
        """How the logits of each configuration's rows are processed."""
        return [build_processing(c.settings, len(self.eos)) for c in self.configurations]

    def count_searches(self, index: int) -> int:
        """Searches of one document under a configuration: each sample is one."""
        rule = self.rules[index]
        return self.configurations[index].settings.get("num_return_sequences", 1) if not rule.is_beam else 1

    def count_rows(self, document: Document) -> int:
        """Rows of a document, if no two were equal."""
        return sum(self.configurations[index].cost for index in document.configurations)
