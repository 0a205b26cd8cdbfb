"""A batch without padding: its examples stand end to end in one row, and each attends to itself alone.

Positions begin anew with each example, and attention, the one place where tokens meet, is computed example by example
(as "packing with correct attention boundaries", Krell et al. 2021, arXiv 2107.02027). So the loss and its gradients are
those of a padded batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any

import torch

from pipeline.training.block_attention import STEP, Span, fill_up

# a CPU's matrix library compiles and keeps kernels for every shape it meets, so few should occur: the tokens of a row
# are a multiple of TOKENS, or of a sixteenth of their number where that is more; the positions kept, one of KEPT
TOKENS = 64
KEPT = 256
# tokens and labels of an example
Example = tuple[int, int]


class Packing:
    """How the row that a model reads now is packed.

    Attributes:
        examples: of the row; None for a padded batch, which the model treats as ever.
        kept: the row's `logits_to_keep`, all that is read behind the last layer.
        Both must hold until the row's backward pass is over.
        sources: tokens of the documents that an encoder reads, packed in a row of their own; the examples are then the
            summaries. None for a causal model.
        turning: how the attention that is next turns its queries and keys: the model's own function, and what it takes
            beside them, cosine and sine of the positions; None if they are turned.
    """

    def __init__(self) -> None:
        self.examples: list[Example] | None = None
        self.kept: Any = None
        self.sources: list[int] | None = None
        self.turning: tuple[Any, Any, Any] | None = None

    def read(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Takes from a batch, packed or padded, how it is packed, and gives what of it is the model's."""
        self.examples, self.kept, self.sources = (batch.get(n) for n in ("examples", "logits_to_keep", "sources"))
        return {name: value for name, value in batch.items() if name not in ("examples", "sources")}

    def get_lengths(self, is_source: bool) -> list[int]:
        """Tokens of each document, or of each example."""
        assert self.examples is not None
        assert self.sources is not None
        return self.sources if is_source else [length for length, _ in self.examples]

    def iterate_spans(self, is_last_layer: bool) -> Iterator[Span]:
        """Where the examples stand, and which of their positions are wanted behind a layer."""
        assert self.examples is not None
        start = 0
        for length, labelled in self.examples:
            yield Span(start, length, length - labelled - 1 if is_last_layer else 0)
            start += length


def build_row(rows: Sequence[list[int]], labelled: Sequence[int], device: Any = None) -> dict[str, Any]:
    """A packed row, as `Packing.read` takes it.

    Args:
        rows: token ids of each example.
        labelled: how many of each one's last tokens are labels.

    Returns:
        `input_ids`, `position_ids` (1, tokens); `logits_to_keep`, the positions that predict a label, in order, and
        behind them others that fill their number up; an `attention_mask` that nothing reads: of four axes, it is taken
        as it is, so that none is computed; `examples`.
    """
    examples = [(len(row), count) for row, count in zip(rows, labelled, strict=True)]
    tokens = _count_tokens(examples)
    filler = [0] * (tokens - sum(map(len, rows)))
    # the filler may be longer than a model's context, so it stands at the first position
    positions = [*(position for row in rows for position in range(len(row))), *filler]
    batch = {
        "input_ids": torch.tensor([[*(token for row in rows for token in row), *filler]]),
        "position_ids": torch.tensor([positions]),
        "attention_mask": torch.zeros(1, 1, 1, 1, dtype=torch.long),
        "logits_to_keep": torch.tensor(_find_kept(examples, tokens)),
    }
    return {name: value.to(device) for name, value in batch.items()} | {"examples": examples}


def build_rows(sources: Sequence[list[int]], targets: Sequence[list[int]], device: Any = None) -> dict[str, Any]:
    """The two packed rows of an encoder-decoder, as `Packing.read` takes them.

    Args:
        sources: token ids of each document.
        targets: what the decoder is given of each summary; all of its positions predict a label.

    Returns:
        `input_ids`, `decoder_input_ids` (1, tokens), filled up behind; `examples`; `sources`.
    """
    lengths = [list(map(len, rows)) for rows in (sources, targets)]
    rows = [
        torch.tensor([[*(token for row in side for token in row), *[0] * (_fill_row(sum(counts)) - sum(counts))]])
        for side, counts in zip((sources, targets), lengths, strict=True)
    ]
    batch = {"input_ids": rows[0].to(device), "decoder_input_ids": rows[1].to(device)}
    return batch | {"examples": [(length, length) for length in lengths[1]], "sources": lengths[0]}


def _count_tokens(examples: Sequence[Example]) -> int:
    """Tokens of the row, filled up, with room for what fills the last example up."""
    *others, (last, _) = examples
    tokens = sum(length for length, _ in others) + fill_up(last, STEP)
    return _fill_row(tokens)


def _fill_row(tokens: int) -> int:
    return fill_up(tokens, max(TOKENS, 2 ** (tokens.bit_length() - 4)))


def _find_kept(examples: Sequence[Example], tokens: int) -> list[int]:
    """Of a row's positions those that predict a label, in order, and others behind, to a multiple of `KEPT` or all."""
    ends = accumulate(length for length, _ in examples)
    kept = [i for end, (_, labels) in zip(ends, examples, strict=True) for i in range(end - labels - 1, end - 1)]
    labelled = set(kept)
    others = (i for i in range(tokens) if i not in labelled)
    return kept + list(islice(others, fill_up(len(kept), KEPT) - len(kept)))
