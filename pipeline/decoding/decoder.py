"""What decodes, and what that cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.models.continuations import read_continuation
from pipeline.models.generation import read_summary

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.models.prompts import PromptBuilder


@dataclass(frozen=True)
class Decoder:
    """A model ready to decode: the seam behind which the way of decoding may change.

    Args:
        batch_size: documents decoded together; None for as many as fit into free memory.
        seed: a sample depends on it, the configuration's settings, the example's id and the sample's index alone.
        engine: `shared` (the shared-prefix engine), `generate`, or `auto`: the first, if it can serve the model.
        fingerprint: of everything about the model that shapes what it writes; candidates are remembered under it. None
            to remember nothing.
        keeps_form: whether what follows a prompt is read as it was written, line ends and all, and not as one line.
        others: models whose probabilities are averaged with the model's; they read and write the same tokens.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    batch_size: int | None
    seed: int
    engine: str = "auto"
    fingerprint: str | None = None
    keeps_form: bool = False
    others: "Sequence[PreTrainedModel]" = ()

    def read(self, prompt: list[int], tokens: list[int]) -> tuple[str, int, bool]:
        """Text before end-of-text, number of tokens up to and with it, whether it was reached."""
        if self.keeps_form:
            return read_continuation(prompt, tokens, self.tokenizer)
        return read_summary(tokens, self.tokenizer)


class Source(Protocol):
    """Loads what is to decode when it is asked for, for memory may hold only one model at a time."""

    def load_tuned(self) -> "tuple[Decoder, PromptBuilder]":
        """The tuned model, and prompts that leave room for what training put in front of them."""
        ...

    def load_base(self) -> Decoder:
        """The base alone."""
        ...

    def build_base_prompts(self, shots: int) -> "PromptBuilder":
        """The base's prompts, with so many solved training examples in front of each document."""
        ...


@dataclass
class Effort:
    """What decoding cost.

    Args:
        seconds: by configuration, whenever its candidates were decoded; in one pass, its share of the rows.
        rows: rows computed, summed over the engine's steps.
        wanted_rows: rows that the searches followed; equal ones were computed once.
        spent: seconds of this run, in which what was remembered cost nothing.
        tokens: decoded in this run.
    """

    seconds: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    wanted_rows: int = 0
    spent: float = 0.0
    tokens: int = 0

    def add(self, other: "Effort") -> None:
        """Adds what another process, or another round, cost."""
        # update, for a sum of Counters drops what is zero
        self.seconds.update(other.seconds)
        self.rows += other.rows
        self.wanted_rows += other.wanted_rows
        self.spent += other.spent
        self.tokens += other.tokens
