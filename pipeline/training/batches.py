"""Examples -> features -> batches, so that the vocabulary head runs where there are labels and nowhere else.

Prompts are about 95 % of the tokens. A causal batch is one packed row (`pipeline.training.packing`) whose labels'
positions alone reach the head; an encoder-decoder's is two, of documents and of summaries. A model that cannot read
such rows gets padded ones: a causal model on the left, so that every label stands among the last positions, and the
head is given those (`logits_to_keep`). Prompt tuning puts its vectors in front of the batch and drops position ids, so
there the padding stands on the right, and the head sees everything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.utils.data import Sampler

from pipeline.models.prompts import PromptBuilder

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel

Feature = dict[str, list[int]]
IGNORED = -100
# marks a feature of which nothing is learnt (`pipeline.training.sharing`)
STAND_IN = "stand_in"


def build_features(examples: "pd.DataFrame", builder: PromptBuilder) -> list[Feature]:
    """One feature an example and summary: `input_ids` and `labels`, token ids. Raises InputError naming an id."""
    rows = [(text, s, i) for i, text, many in examples.itertuples(index=False) for s in many]
    texts, summaries, ids = zip(*rows, strict=True)
    return [
        {"input_ids": inputs, "labels": labels}
        for inputs, labels in builder.build_training_examples(texts, summaries, ids)
    ]


@dataclass(frozen=True)
class Collator:
    """Features -> a batch of tensors.

    Of a packed batch, `labels` (1, 1 + labels), but for the first, belong to the first of `logits_to_keep`, or of an
    encoder-decoder's positions. Of a padded
    one, `labels` (examples, kept positions) hold, as transformers' causal losses expect, the token that stands at a
    position, and `IGNORED` where there is no label; of an encoder-decoder, the summary, with `decoder_input_ids` made
    of it.

    Args:
        layout: `packed`, `left`, `right` or `encoder-decoder`.
        takes_positions: whether the model wants `position_ids`.
        decoder_start_token_id: of an encoder-decoder; None for a causal model.
    """

    pad_token_id: int
    layout: str
    takes_positions: bool = True
    decoder_start_token_id: int | None = None

    def __call__(self, features: Sequence[Feature]) -> "dict[str, Any]":
        """A batch of the features but for stand-ins; of stand-ins alone, one without labels."""
        if real := [feature for feature in features if STAND_IN not in feature]:
            return self._collate(real)
        batch = self._collate(features[:1])
        # the first place of a packed row is no label
        labels = batch["labels"][:, :1] if self.layout == "packed" else batch["labels"]
        return {**batch, "labels": labels.fill_(IGNORED)}

    def _collate(self, features: Sequence[Feature]) -> "dict[str, Any]":
        rows, labels = [f["input_ids"] for f in features], [f["labels"] for f in features]
        # teacher forcing: each position of a decoder is given the label before it
        given = [[self.decoder_start_token_id, *ids[:-1]] for ids in labels]
        if self.layout == "packed":
            return self._pack(rows, labels, given)
        side = "left" if self.layout == "left" else "right"
        mask = _pad([[1] * len(row) for row in rows], 0, side)
        batch: dict[str, Any] = {"input_ids": _pad(rows, self.pad_token_id, side), "attention_mask": mask}
        if self.layout == "encoder-decoder":
            batch["decoder_input_ids"] = _pad(given, self.pad_token_id, "right")
            return {**batch, "labels": _pad(labels, IGNORED, "right")}
        if self.layout == "right":
            padded = [[IGNORED] * (len(row) - len(ids)) + ids for row, ids in zip(rows, labels, strict=True)]
            return {**batch, "labels": _pad(padded, IGNORED, "right")}
        # one position more than the longest summary: the logits that predict its first token stand before it
        batch["labels"] = _pad([[IGNORED, *ids] for ids in labels], IGNORED, "left")
        batch["logits_to_keep"] = batch["labels"].shape[1]
        if self.takes_positions:
            # without them a left-padded row would start at a position that decoding never uses
            batch["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        return batch

    def _pack(self, rows: Sequence[list[int]], labels: Sequence[list[int]], given: Any) -> "dict[str, Any]":
        from torch import tensor

        from pipeline.training.packing import build_row, build_rows

        # the Trainer counts labels to divide by, and takes a causal row's first place for one that nothing predicts
        flat = tensor([[IGNORED, *(token for ids in labels for token in ids)]])
        is_causal = self.decoder_start_token_id is None
        return {**(build_row(rows, list(map(len, labels))) if is_causal else build_rows(rows, given)), "labels": flat}


def _pad(rows: Sequence[list[int]], value: int, side: str) -> "torch.Tensor":
    from torch import tensor
    from torch.nn.utils.rnn import pad_sequence

    return pad_sequence([tensor(row) for row in rows], batch_first=True, padding_value=value, padding_side=side)


def build_collator(model: "PreTrainedModel", pad_token_id: int, is_prompt_tuned: bool, teacher: Any = None) -> Collator:
    """The collator that fits a model, and its teacher; takes the bare model, before an adapter wraps it."""
    import inspect

    from pipeline.training.packed_model import find_obstacle

    start = model.config.decoder_start_token_id if model.config.is_encoder_decoder else None
    readers = [] if is_prompt_tuned else [reader for reader in (model, teacher) if reader is not None]
    if readers and not any(map(find_obstacle, readers)):
        return Collator(pad_token_id, "packed", decoder_start_token_id=start)
    if model.config.is_encoder_decoder:
        return Collator(pad_token_id, "encoder-decoder", decoder_start_token_id=start)
    if is_prompt_tuned:
        return Collator(pad_token_id, "right")
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    return Collator(pad_token_id, "left", takes_positions)


class LengthGroupedSampler(Sampler[int]):
    """Random order in which examples of like length stand together, so that batches pad little.

    The order of an epoch depends on the seed, the epoch and the number of examples an update, and on nothing drawn
    before: a resumed run, one with a smaller batch and longer accumulation, and one with more processes all see it.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        """`batch_size`: examples an update, over all processes and accumulated steps."""
        self.lengths, self.batch_size, self.seed, self.epoch = list(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Accelerate before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        import torch
        from transformers.trainer_pt_utils import get_length_grouped_indices

        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch_size, generator=generator))
