"""The shared-prefix engine: one pass over the documents, every configuration at once, the tokens that `generate` gives.

A document is prefilled once. Each of its configurations is a search of one or more rows, all rows of all documents step
together, and rows of one document with the same tokens are one row: a row is determined by its document and its tokens,
whichever configurations want it. Who is done leaves; the next documents come in, longest first.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from pipeline.decoding.averaging import AveragedBackbone
from pipeline.decoding.backbone import Backbone
from pipeline.decoding.beam import Candidate
from pipeline.decoding.flight import Flight
from pipeline.decoding.plan import Document, Plan, Statistics
from pipeline.decoding.support import unwrap
from pipeline.models.devices import is_out_of_memory
from pipeline.models.generation import get_eos_token_ids
from pipeline.params.grid import Configuration


class SharedPrefixEngine:
    """Decodes documents with many configurations.

    Args:
        model: a transformers model that `pipeline.decoding.support.find_obstacle` has nothing against.
        configurations: what may be asked for.
        seed: samples depend on it, the configuration, the document's name and the sample's index alone.
        max_rows: rows in flight, equal ones counted apart; halved whenever memory runs out.
        max_documents: documents in flight.
        others: models whose probabilities are averaged with the model's.
    """

    def __init__(
        self,
        model: Any,
        configurations: Sequence[Configuration],
        seed: int,
        max_rows: int,
        max_documents: int,
        others: Sequence[Any] = (),
    ):
        model = unwrap(model)
        self.plan = Plan(configurations, seed, get_eos_token_ids(model), max_rows, max_documents)
        models = [model, *map(unwrap, others)]
        self.backbone = AveragedBackbone(models, self.plan.longest) if others else Backbone(model, self.plan.longest)
        self.statistics = Statistics()

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
            flight = Flight(self.plan, self.backbone, self.statistics)
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
        if not back:
            # nothing was asked for yet, so nothing can be asked for in smaller parts
            raise error
        self.plan.max_rows = max(1, sum(self.plan.count_rows(document) for document in back) // 2)
        if len(back) == 1:
            chosen = back[0].configurations
            if len(chosen) == 1:
                raise error
            middle = len(chosen) // 2
            back = [Document(back[0].name, back[0].prompt, part) for part in (chosen[:middle], chosen[middle:])]
        queue.extendleft(reversed(back))
