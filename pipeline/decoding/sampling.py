"""Greedy decoding and sampling: searches of one row each."""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.decoding.beam import Candidate


def derive_seed(*parts: object) -> int:
    """A seed that depends on the parts alone, not on what was drawn before."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def describe_for_seed(settings: dict[str, Any]) -> str:
    """What of a configuration its samples depend on: more samples or a later cap leave the first ones as they are."""
    return repr(sorted((k, v) for k, v in settings.items() if k not in ("num_return_sequences", "max_new_tokens")))


class SingleSearches:
    """All searches that follow one sequence: greedy ones, and each sample of a sampling configuration.

    Args:
        eos_token_ids: tokens that end a sequence.
    """

    num_beams = 1
    keep = 1

    def __init__(self, eos_token_ids: list[int]):
        self.eos = set(eos_token_ids)
        self.keys: list[tuple[int, int, int]] = []
        self.rows: list[int] = []
        self.tokens: list[list[int]] = []
        self.limits: list[int] = []
        self.draws: list[Tensor | None] = []

    def add(self, key: tuple[int, int, int], settings: dict[str, Any], row: int, seed: int | None) -> None:
        """Begins a search at a row; `seed` is None for greedy decoding."""
        limit = settings["max_new_tokens"]
        self.keys.append(key)
        self.rows.append(row)
        self.tokens.append([])
        self.limits.append(limit)
        # one uniform number a token, drawn ahead: nothing else that is decoded can shift them
        draws = None
        if seed is not None:
            draws = torch.rand(limit, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
        self.draws.append(draws)

    def get_draws(self) -> Tensor:
        """(searches,) the uniform number in [0, 1) by which each picks its next token; 0 for greedy ones."""
        pairs = zip(self.draws, self.tokens, strict=True)
        return torch.tensor([0.0 if d is None else float(d[len(t)]) for d, t in pairs], dtype=torch.double)

    def get_rows(self) -> list[int]:
        """(searches,) the row that each follows."""
        return self.rows

    def set_rows(self, rows: np.ndarray) -> None:
        """Where those rows went."""
        self.rows = rows.tolist()

    def get_next_tokens(self) -> list[int]:
        """(searches,) the newest token of each."""
        return [own[-1] for own in self.tokens]

    def advance(self, scores: Tensor, tokens: Tensor) -> list[bool]:
        """Appends a token to every search; returns which are over. `tokens`: (searches, 1, 1)."""
        for own, token in zip(self.tokens, tokens.flatten().tolist(), strict=True):
            own.append(token)
        return [own[-1] in self.eos or len(own) >= n for own, n in zip(self.tokens, self.limits, strict=True)]

    def pop(self, over: list[bool]) -> list[tuple[tuple[int, int, int], list[Candidate]]]:
        """Takes the searches out that are over."""
        results = [(self.keys[i], [Candidate(self.tokens[i])]) for i, is_over in enumerate(over) if is_over]
        for name in ("keys", "rows", "tokens", "limits", "draws"):
            kept = [item for item, is_over in zip(getattr(self, name), over, strict=True) if not is_over]
            setattr(self, name, kept)
        return results


def pick_tokens(scores: Tensor, rows: Tensor, draws: Tensor) -> Tensor:
    """Samples by inverting the cumulative distribution.

    Args:
        scores: (distributions, vocabulary) processed logits.
        rows: (draws,) the distribution that each draw is from.
        draws: (draws,) uniform in [0, 1).

    Returns:
        (draws,) tokens.
    """
    # double: fp32 sums of 50,000 terms lose the tail
    cumulative = scores.double().softmax(-1).cumsum(-1)[rows]
    picked = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)[:, 0]
    return picked.clamp(max=scores.shape[-1] - 1)
