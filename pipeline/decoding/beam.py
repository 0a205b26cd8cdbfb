"""Beam search over many documents and configurations at once.

The rules are those of transformers' `GenerationMixin._beam_search`, line by line, with every quantity that is one for a
whole batch there (length, penalty, way of stopping) a column here: searches of one `num_beams` advance together, though
each has its own configuration and began when its document came in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.decoding.processors import NO_TOKEN

# transformers' stand-in for minus infinity: a score that got it can still be told from another
NEVER = -1.0e9


@dataclass(frozen=True)
class Candidate:
    """A decoded sequence: its tokens, end-of-text included if reached, its score (of beam search; else None), and its
    share of the seconds that decoding took."""

    tokens: list[int]
    score: float | None = None
    seconds: float = field(default=0.0, compare=False)


class BeamSearches:
    """All searches with one number of beams.

    Args:
        num_beams: running sequences of a search.
        eos_token_ids: tokens that end a sequence.
        max_new_tokens: longest sequence of any search.
    """

    def __init__(self, num_beams: int, eos_token_ids: Sequence[int], max_new_tokens: int):
        self.num_beams = num_beams
        self.eos = torch.tensor(list(eos_token_ids), dtype=torch.long)
        # so many continuations that num_beams of them are left if all that can end do
        self.keep = max(2, 1 + len(eos_token_ids)) * num_beams
        empty = (0, num_beams)
        self.keys: list[tuple[int, int, int]] = []
        self.state: dict[str, Tensor] = {
            "row": torch.zeros(empty, dtype=torch.long),
            "running": torch.zeros((*empty, max_new_tokens), dtype=torch.long),
            "running_scores": torch.zeros(empty),
            "finished": torch.zeros((*empty, max_new_tokens), dtype=torch.long),
            "finished_scores": torch.zeros(empty),
            "is_finished": torch.zeros(empty, dtype=torch.bool),
            "can_improve": torch.zeros((0, 1), dtype=torch.bool),
            "length": torch.zeros(0, dtype=torch.long),
            "max_length": torch.zeros(0, dtype=torch.long),
            "length_penalty": torch.zeros(0, dtype=torch.double),
            "stops_early": torch.zeros((0, 1), dtype=torch.bool),
            "never_stops": torch.zeros(0, dtype=torch.bool),
            "returned": torch.zeros(0, dtype=torch.long),
        }

    def add(self, key: tuple[int, int, int], settings: dict[str, Any], row: int) -> None:
        """Begins a search at a row. `key` comes back with its candidates."""
        beams, tokens = self.num_beams, self.state["running"].shape[2]
        scores = torch.full((1, beams), NEVER)
        running = scores.clone()
        # only the first beam counts at first, or all would hold the same tokens
        running[0, 0] = 0.0
        stopping = settings.get("early_stopping", False)
        new = {
            "row": torch.full((1, beams), row),
            "running": torch.full((1, beams, tokens), NO_TOKEN),
            "running_scores": running,
            "finished": torch.full((1, beams, tokens), NO_TOKEN),
            "finished_scores": scores,
            "is_finished": torch.zeros((1, beams), dtype=torch.bool),
            "can_improve": torch.ones((1, 1), dtype=torch.bool),
            "length": torch.zeros(1, dtype=torch.long),
            "max_length": torch.tensor([settings["max_new_tokens"]]),
            "length_penalty": torch.tensor([float(settings.get("length_penalty", 1.0))], dtype=torch.double),
            "stops_early": torch.tensor([[stopping is True]]),
            "never_stops": torch.tensor([stopping == "never"]),
            "returned": torch.tensor([settings.get("num_return_sequences", 1)]),
        }
        self.keys.append(key)
        self.state = {name: torch.cat([tensor, new[name]]) for name, tensor in self.state.items()}

    def advance(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """One step of every search.

        Args:
            scores: (searches, num_beams, best) processed log-probabilities of each row's best next tokens.
            tokens: those tokens, likewise.

        Returns:
            (searches,) which are over.
        """
        state, best = self.state, scores.shape[2]
        totals = (scores + state["running_scores"][:, :, None]).flatten(1)
        top, places = torch.topk(totals, min(self.keep, totals.shape[1]))
        beams, next_tokens = places // best, tokens.flatten(1).gather(1, places)
        sequences = _take(state["running"], beams)
        at = state["length"][:, None, None].expand(-1, sequences.shape[1], 1)
        sequences.scatter_(2, at, next_tokens[:, :, None])
        length = state["length"] + 1
        ends = torch.isin(next_tokens, self.eos) | (length >= state["max_length"])[:, None]

        running = torch.topk(top + ends.float() * NEVER, self.num_beams)[1]
        self._finish(top, sequences, ends, length)
        state["running"] = _take(sequences, running)
        state["running_scores"] = (top + ends.float() * NEVER).gather(1, running)
        state["row"] = state["row"].gather(1, beams).gather(1, running)
        state["length"] = length
        self._look_ahead()
        full = state["is_finished"].all(1) & state["stops_early"][:, 0]
        return ~state["can_improve"][:, 0] | full | ends.all(1)

    def _finish(self, top: Tensor, sequences: Tensor, ends: Tensor, length: Tensor) -> None:
        """Merges sequences that ended into the finished ones, if they score better (`_update_finished_beams`)."""
        state = self.state
        ended = ends & (torch.arange(ends.shape[1]) < self.num_beams)
        scores = top / (length.double() ** state["length_penalty"]).float()[:, None]
        full = state["is_finished"].all(1, keepdim=True) & state["stops_early"]
        scores = scores + full.float() * NEVER
        scores = scores + (~state["can_improve"]).float() * NEVER
        scores = scores + (~ended).float() * NEVER
        merged = torch.cat([state["finished_scores"], scores], 1)
        best = torch.topk(merged, self.num_beams)[1]
        state["finished"] = _take(torch.cat([state["finished"], sequences], 1), best)
        state["finished_scores"] = merged.gather(1, best)
        state["is_finished"] = torch.cat([state["is_finished"], ended], 1).gather(1, best)

    def _look_ahead(self) -> None:
        """Whether a running sequence can still beat a finished one (`_check_early_stop_heuristic`)."""
        state = self.state
        hopeful = state["never_stops"] & (state["length_penalty"] > 0)
        length = torch.where(hopeful, state["max_length"], state["length"]).double()
        possible = state["running_scores"][:, :1] / (length ** state["length_penalty"]).float()[:, None]
        worst = torch.where(state["is_finished"], state["finished_scores"].amin(1, keepdim=True), NEVER)
        state["can_improve"] &= (possible > worst).any(1, keepdim=True)

    def get_rows(self) -> np.ndarray:
        """(searches * num_beams,) the row that each running sequence follows."""
        return self.state["row"].flatten().numpy()

    def set_rows(self, rows: np.ndarray) -> None:
        """Where those rows went."""
        self.state["row"] = torch.from_numpy(rows).view(-1, self.num_beams)

    def get_draws(self) -> None:
        """Beams draw nothing."""

    def get_next_tokens(self) -> np.ndarray:
        """(searches * num_beams,) the newest token of every running sequence."""
        at = (self.state["length"] - 1)[:, None, None].expand(-1, self.num_beams, 1)
        return self.state["running"].gather(2, at).flatten().numpy()

    def pop(self, over: Tensor) -> list[tuple[tuple[int, int, int], list[Candidate]]]:
        """Takes the searches out that are over: (searches,)."""
        results = []
        for i in over.nonzero()[:, 0].tolist():
            candidates = []
            for rank in range(int(self.state["returned"][i])):
                tokens = self.state["finished"][i, rank].tolist()
                tokens = [t for t in tokens if t != NO_TOKEN]
                candidates.append(Candidate(tokens, float(self.state["finished_scores"][i, rank])))
            results.append((self.keys[i], candidates))
        self.keys = [key for key, is_over in zip(self.keys, over.tolist(), strict=True) if not is_over]
        self.state = {name: tensor[~over] for name, tensor in self.state.items()}
        return results


def _take(sequences: Tensor, beams: Tensor) -> Tensor:
    """(searches, chosen, tokens): the chosen sequences of each search."""
    return sequences.gather(1, beams[:, :, None].expand(-1, -1, sequences.shape[2]))
