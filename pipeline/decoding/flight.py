"""The documents that are decoded together: their searches, their rows, and who comes and goes."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.decoding.backbone import Backbone
from pipeline.decoding.beam import BeamSearches, Candidate
from pipeline.decoding.continuations import History, Request, compute_continuations
from pipeline.decoding.plan import Document, Plan, Statistics
from pipeline.decoding.rows import Rows
from pipeline.decoding.sampling import SingleSearches, derive_seed, describe_for_seed

# above any vocabulary: a row and its next token in one integer
BASE = 1 << 32
Finished = tuple[int, int, list[Candidate]]


class Flight:
    """What is alive.

    Args:
        plan: the configurations and the limits.
        backbone: the model.
        statistics: what the flight costs is added there.
    """

    def __init__(self, plan: Plan, backbone: Backbone, statistics: Statistics):
        self.plan, self.backbone, self.statistics = plan, backbone, statistics
        self.documents: dict[int, Document] = {}
        # the document at each place of the cache
        self.slots: list[int] = []
        # searches still running, by document and configuration
        self.remaining: dict[tuple[int, int], int] = {}
        self.samples: dict[tuple[int, int], dict[int, Candidate]] = {}
        self.singles = SingleSearches(plan.eos)
        self.beams: dict[int, BeamSearches] = {}
        self.rows = Rows(plan.longest)
        self.arrived = 0

    def get_unfinished(self) -> list[Document]:
        """The documents in flight with the configurations that they still want."""
        left = {key: tuple(c for k, c in self.remaining if k == key) for key in self.documents}
        return [Document(d.name, d.prompt, left[key]) for key, d in self.documents.items() if left[key]]

    def run(self, queue: "deque[Document]") -> Iterator[tuple[str, int, list[Candidate]]]:
        """Decodes until the queue and the flight are empty."""
        started = time.perf_counter()
        self._regroup(queue)
        while self.documents:
            groups = [self.singles, *self.beams.values()]
            followed = [np.array(group.get_rows(), dtype=np.int64) for group in groups]
            slot_of = {key: slot for slot, key in enumerate(self.slots)}
            places = [slot_of[key] for key in self.rows.owner.tolist()]
            logits = self.backbone.step(self.rows.get_newest().tolist(), places, (self.rows.length - 1).tolist())
            wanted_by = [key[1] for group in groups for key in group.keys for _ in range(group.num_beams)]
            finished = self._advance(groups, followed, logits)
            del logits
            self.statistics.add(np.concatenate(followed), wanted_by, time.perf_counter() - started)
            for key, index, candidates in finished:
                yield self.documents[key].name, index, candidates
                del self.remaining[key, index]
            # reading new prompts is part of the step that follows; what is done with the candidates is not
            started = time.perf_counter()
            self._leave()
            self._regroup(queue)

    def _advance(self, groups: list[Any], followed: list[np.ndarray], logits: Tensor) -> list[Finished]:
        """Every search takes its step."""
        requests = []
        for group, rows in zip(groups, followed, strict=True):
            rules = [self.plan.rules[key[1]] for key in group.keys for _ in range(group.num_beams)]
            requests.append(Request(rows, rules, group.keep, group.get_draws()))
        generated = torch.from_numpy(self.rows.length - 1).to(logits.device)
        history = self._build_history(logits.device)
        answers = compute_continuations(logits, history, generated, self.plan.eos, requests)
        finished = []
        for group, (scores, tokens) in zip(groups, answers, strict=True):
            over = group.advance(scores.unflatten(0, (-1, group.num_beams)), tokens.unflatten(0, (-1, group.num_beams)))
            for (key, index, sample), candidates in group.pop(over):
                gathered = self.samples.setdefault((key, index), {})
                gathered |= {sample + rank: candidate for rank, candidate in enumerate(candidates)}
                self.remaining[key, index] -= 1
                if not self.remaining[key, index]:
                    finished.append((key, index, [gathered[rank] for rank in sorted(gathered)]))
                    del self.samples[key, index]
        return finished

    def _build_history(self, device: torch.device) -> History | None:
        if not any(self.plan.rules[i].reads_history for i in {index for _, index in self.remaining}):
            return None
        prompts = {key: d.prompt[: self.backbone.get_history_length(d.prompt)] for key, d in self.documents.items()}
        tokens, ends = (torch.from_numpy(array).to(device) for array in self.rows.build_history(prompts))
        return History(tokens, ends)

    def _leave(self) -> None:
        """Lets the documents go of which nothing is wanted any more."""
        wanted = {key for key, _ in self.remaining}
        # from the end: when many leave at once, few of them are moved about before they do
        for slot, key in reversed(list(enumerate(self.slots))):
            if key in wanted:
                continue
            last = self.backbone.release(slot)
            self.slots[slot] = self.slots[last]
            self.slots.pop()
            del self.documents[key]

    def _regroup(self, queue: "deque[Document]") -> None:
        """The next step's rows: one for each distinct sequence that a search follows, then those of new documents."""
        self.beams = {beams: group for beams, group in self.beams.items() if group.keys}
        groups = [self.singles, *self.beams.values()]
        followed = [np.array(group.get_rows(), dtype=np.int64) for group in groups]
        chosen = np.concatenate([np.array(group.get_next_tokens(), dtype=np.int64) for group in groups])
        distinct, inverse = np.unique(np.concatenate(followed) * BASE + chosen, return_inverse=True)
        parents, tokens = distinct // BASE, distinct % BASE
        new = self._take_in(queue)
        filled = int(self.rows.length.max()) if len(self.rows) else 0
        places = np.array(self.backbone.arrange([*parents.tolist(), *[-1] * len(new)], filled), dtype=np.int64)
        roots = [(key, self.backbone.get_root(self.documents[key].prompt)) for key in new]
        self.rows.replace(parents, tokens, roots, places)
        moved = np.split(places[: len(parents)][inverse], np.cumsum([len(rows) for rows in followed])[:-1])
        for group, rows in zip(groups, moved, strict=True):
            group.set_rows(rows)
        for key, place in zip(new, places[len(parents) :].tolist(), strict=True):
            for index in self.documents[key].configurations:
                self._begin(key, index, place)

    def _take_in(self, queue: "deque[Document]") -> list[int]:
        """Prefills the documents that there is room for; at least one when nothing is in flight."""
        plan, new = self.plan, []
        rows = len(self.singles.keys) + sum(len(group.keys) * beams for beams, group in self.beams.items())
        while queue and len(self.documents) < plan.max_documents:
            rows += plan.count_rows(queue[0])
            if self.documents and rows > plan.max_rows:
                break
            # known before it is prefilled, so that it is not lost if memory runs out there
            document = queue.popleft()
            self.documents[self.arrived] = document
            self.remaining |= {(self.arrived, index): plan.count_searches(index) for index in document.configurations}
            new.append(self.arrived)
            self.arrived += 1
        if new:
            self.backbone.prefill([self.documents[key].prompt for key in new])
            self.slots += new
        return new

    def _begin(self, key: int, index: int, row: int) -> None:
        """Starts a configuration's searches at a document's root."""
        plan = self.plan
        settings, rule = plan.configurations[index].settings, plan.rules[index]
        if rule.is_beam:
            beams = settings["num_beams"]
            if beams not in self.beams:
                self.beams[beams] = BeamSearches(beams, plan.eos, plan.longest)
            self.beams[beams].add((key, index, 0), settings, row)
            return
        for sample in range(plan.count_searches(index)):
            parts = plan.seed, describe_for_seed(settings), self.documents[key].name, sample
            self.singles.add((key, index, sample), settings, row, derive_seed(*parts) if rule.do_sample else None)
