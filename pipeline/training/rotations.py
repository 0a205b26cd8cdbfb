"""Rotary embeddings (Su et al. 2021) of queries and keys that attention has at hand: in place, and back again."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor


class Rotation(Protocol):
    """How positions, counted from 0, turn the pairs of a head."""

    def turn(self, parts: Tensor) -> None:
        """In place; (heads, positions, head size), as many positions as the rotation has or fewer."""
        ...

    def turn_back(self, parts: Tensor) -> None:
        """The inverse and, as a rotation's transpose is its inverse, the way of gradients."""
        ...


class Neighbours:
    """GPT-J's: neighbours in a head are a complex number, turned in the plane, in fp32."""

    def __init__(self, turns: Tensor):
        """`turns`: complex, (positions, pairs); what stands behind the pairs in a head is not turned."""
        self.turns = turns

    def turn(self, parts: Tensor) -> None:
        self._multiply(parts, self.turns)

    def turn_back(self, parts: Tensor) -> None:
        self._multiply(parts, self.turns.conj_physical())

    @staticmethod
    def _multiply(parts: Tensor, turns: Tensor) -> None:
        pairs = parts[..., : 2 * turns.shape[1]]
        numbers = torch.view_as_complex(pairs.float().unflatten(-1, (-1, 2)))
        pairs.copy_(torch.view_as_real(numbers * turns[: parts.shape[1]]).flatten(-2))


class Halves:
    """Llama's: the first half of a head is turned with the second."""

    def __init__(self, cosine: Tensor, sine: Tensor):
        """`cosine`, `sine`: (positions, head size), as transformers makes them."""
        first, second = sine.chunk(2, dim=-1)
        self.cosine, self.sine = cosine, torch.cat((-first, second), dim=-1)

    def turn(self, parts: Tensor) -> None:
        self._add(parts, 1)

    def turn_back(self, parts: Tensor) -> None:
        self._add(parts, -1)

    def _add(self, parts: Tensor, sign: int) -> None:
        cosine, sine = (table[: parts.shape[1]] for table in (self.cosine, self.sine))
        turned = parts * cosine
        parts.copy_(turned.addcmul_(parts.roll(parts.shape[-1] // 2, dims=-1), sine, value=sign))


# what a modeling file of transformers calls its function
FUNCTION = "apply_rotary_pos_emb"


def find_function(file: Any) -> Callable[..., Any] | None:
    """The function by which a modeling file turns queries and keys, if it does what `Halves` does; found by running."""
    function = getattr(file, FUNCTION, None)
    # of a block within which this one is
    function = getattr(function, "original", function)
    if function is None:
        return None
    # heads of four, at three positions
    numbers, angles = torch.linspace(-1, 1, 24).view(1, 2, 3, 4), torch.linspace(0, 3, 6).view(3, 2).repeat(1, 2)
    cosine, sine = angles.cos(), angles.sin()
    ours = numbers[0].clone()
    Halves(cosine, sine).turn(ours)
    try:
        theirs = function(numbers, -numbers, cosine[None], sine[None])
        is_alike = all(torch.allclose(t[0], o, atol=1e-6) for t, o in zip(theirs, (ours, -ours), strict=True))
    except Exception:
        # another signature, or other shapes
        return None
    return function if is_alike else None
