"""The shared-prefix engine: one pass over the documents, every configuration at once, the tokens that `generate` gives.

A document is prefilled once. Each of its configurations is a search of one or more rows, all rows of all documents step
together, and rows of one document with the same tokens are one row: a row is determined by its document and its tokens,
whichever configurations want it. Who is done leaves; the next documents come in, longest first.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pipeline.decoding.backbone import Backbone
from pipeline.decoding.beam import Candidate
from pipeline.decoding.flight import Flight
from pipeline.decoding.processors import build_processing
from pipeline.decoding.support import unwrap
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


class SharedPrefixEngine:
    """Decodes documents with many configurations.

    Args:
        model: a transformers model that `pipeline.decoding.support.find_obstacle` has nothing against.
        configurations: what may be asked for.
        seed: samples depend on it, the configuration, the document's name and the sample's index alone.
        max_rows: rows in flight, equal ones counted apart; halved whenever memory runs out.
        max_documents: documents in flight.
    """

    def __init__(
        self, model: Any, configurations: Sequence[Configuration], seed: int, max_rows: int, max_documents: int
    ):
        model = unwrap(model)
        self.configurations, self.seed = configurations, seed
        self.max_rows, self.max_documents = max_rows, max_documents
        self.eos = get_eos_token_ids(model)
        self.longest = max(c.settings["max_new_tokens"] for c in configurations)
        self.backbone = Backbone(model, self.longest)
        self.rules = [build_processing(c.settings, len(self.eos)) for c in configurations]
        self.statistics = Statistics()

    def count_searches(self, index: int) -> int:
        """Searches of one document under a configuration: each sample is one."""
        rule = self.rules[index]
        return self.configurations[index].settings.get("num_return_sequences", 1) if not rule.is_beam else 1

    def count_rows(self, document: Document) -> int:
        """Rows of a document, if no two were equal."""
        return sum(self.configurations[index].cost for index in document.configurations)

    @torch.inference_mode()
    def decode(self, documents: Sequence[Document]) -> Iterator[tuple[str, int, list[Candidate]]]:
        """Yields `(name, configuration index, candidates best first)` as they are finished, in no promised order.

        Raises:
            torch.OutOfMemoryError: if one document with one configuration does not fit.
        """
        # longest first: documents of like length are in flight together, and running out of memory happens early
        order = sorted(range(len(documents)), key=lambda i: (-len(documents[i].prompt), i))
        queue = deque(documents[i] for i in order)
        while queue:
            flight = Flight(self)
            try:
                yield from flight.run(queue)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink(flight.get_unfinished(), queue, error)
            finally:
                self.backbone.reset()

    def _shrink(self, back: list[Document], queue: "deque[Document]", error: BaseException) -> None:
        """Puts what was in flight back in front, and takes half as much from now on."""
        self.max_rows = max(1, sum(self.count_rows(document) for document in back) // 2)
        if len(back) == 1:
            chosen = back[0].configurations
            if len(chosen) == 1:
                raise error
            middle = len(chosen) // 2
            back = [Document(back[0].name, back[0].prompt, part) for part in (chosen[:middle], chosen[middle:])]
        queue.extendleft(reversed(back))


def get_eos_token_ids(model: Any) -> list[int]:
    """The tokens that end a sequence; [] if the model knows none."""
    ids = model.generation_config.eos_token_id
    return [] if ids is None else list(ids) if isinstance(ids, list | tuple) else [ids]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: CUDA says so by type, a CPU's allocator in words."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
