"""The rows of a step: distinct token sequences, each of one document."""

from collections.abc import Sequence

import numpy as np

from pipeline.decoding.processors import NO_TOKEN


class Rows:
    """Rows by place.

    Args:
        capacity: most tokens of a row, its root included.

    Attributes:
        owner: (rows,) key of each row's document.
        tokens: (rows, capacity) a row's own tokens, the root first.
        length: (rows,) how many they are.
    """

    def __init__(self, capacity: int):
        self.owner = np.zeros(0, dtype=np.int64)
        self.tokens = np.zeros((0, capacity), dtype=np.int64)
        self.length = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.owner)

    def get_newest(self) -> np.ndarray:
        """(rows,) the last token of each."""
        return self.tokens[np.arange(len(self)), self.length - 1]

    def replace(
        self, parents: np.ndarray, tokens: np.ndarray, roots: Sequence[tuple[int, int]], places: np.ndarray
    ) -> None:
        """The next step's rows.

        Args:
            parents: (children,) the row that each goes on from.
            tokens: (children,) what it appends.
            roots: document key and first token of each row that begins.
            places: where each child, then each root, stands from now on.
        """
        count, capacity = len(places), self.tokens.shape[1]
        owner, length = np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.int64)
        own = np.full((count, capacity), NO_TOKEN, dtype=np.int64)
        children, beginning = places[: len(parents)], places[len(parents) :]
        owner[children], own[children] = self.owner[parents], self.tokens[parents]
        length[children] = self.length[parents] + 1
        own[children, length[children] - 1] = tokens
        for place, (key, token) in zip(beginning.tolist(), roots, strict=True):
            owner[place], own[place, 0] = key, token
        self.owner, self.tokens, self.length = owner, own, length

    def build_history(self, prompts: dict[int, list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Each row's prompt and own tokens side by side.

        Args:
            prompts: by document key, the tokens before the root.

        Returns:
            (rows, tokens) with `NO_TOKEN` on either side, and (rows,) the position past the last token.
        """
        width = max(len(prompt) for prompt in prompts.values())
        padded = {key: np.array([NO_TOKEN] * (width - len(p)) + p, dtype=np.int64) for key, p in prompts.items()}
        before = np.stack([padded[key] for key in self.owner.tolist()])
        return np.concatenate([before, self.tokens[:, : self.length.max()]], axis=1), width + self.length
