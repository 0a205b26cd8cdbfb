"""Attention of many rows over one copy of each document's keys and values.

A row is one continuation of one document. Its query meets the document's keys, kept once (the prefix), and the keys of
its own few tokens (the suffix): scores = [Q Kᵖʳᵉᶠⁱˣ | Q Kˢᵘᶠᶠⁱˣ], one softmax over both. The
same split serves "Hydragen" (Juravsky et al. 2024, arXiv 2402.05099). Of an encoder-decoder, the prefix is what
cross-attention reads and the suffix what self-attention reads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KeysAndValues = list[tuple[Tensor, Tensor]]
# of an attention over some of the keys: unnormalised output, highest score, sum of weights
Part = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Step:
    """Where the rows of one step stand, shared by all layers.

    Args:
        document: (rows,) place of each row's document among the documents in flight.
        place: (rows,) place of each row among those of its document.
        width: most rows of a document.
        length: (rows,) tokens in a row's suffix before this step.
        prefix_length, suffix_length: longest prefix and suffix, this step's token included.
        prefix_mask: (documents, 1, 1, prefix), true where a document has no token; None if nowhere.
        suffix_mask: (rows, 1, 1, suffix), likewise.
    """

    document: Tensor
    place: Tensor
    width: int
    length: Tensor
    prefix_length: int
    suffix_length: int
    prefix_mask: Tensor | None
    suffix_mask: Tensor | None


class SharedPrefixCache:
    """Keys and values: of each document once, of each row's own tokens apart.

    Documents and rows are dense: who leaves is replaced by the last, so that every product is over what is alive.

    Args:
        suffix_length: most tokens of a row.
        is_encoder_decoder: whether prefix and suffix are read by different attentions.
    """

    def __init__(self, suffix_length: int, is_encoder_decoder: bool):
        self.capacity = suffix_length
        self.is_encoder_decoder = is_encoder_decoder
        self.prefix: KeysAndValues = []
        self.suffix: KeysAndValues = []
        self.prefix_lengths: list[int] = []
        self._step: Step | None = None
        self.scratch: dict[int, Tensor] = {}

    @property
    def step(self) -> Step:
        """The step that `begin` prepared."""
        assert self._step is not None, "begin() comes first"
        return self._step

    def admit(self, prefixes: KeysAndValues, like: KeysAndValues, lengths: Sequence[int], room: int) -> None:
        """Takes documents in.

        Args:
            room: documents to make room for, if these are the first of several lots.
            prefixes: for each layer keys and values, (documents, heads, tokens, head size), right-padded.
            like: for each layer keys and values shaped as the suffix's will be, apart from rows and tokens.
            lengths: tokens of each document.
        """
        first, last = len(self.prefix_lengths), len(self.prefix_lengths) + len(lengths)
        self.prefix = self.prefix or [tuple(t[:0, :, :0] for t in pair) for pair in prefixes]
        self.suffix = self.suffix or [
            tuple(t.new_empty(0, t.shape[1], self.capacity, t.shape[3]) for t in pair) for pair in like
        ]
        for layer, pair in enumerate(prefixes):
            longest = max(pair[0].shape[2], self.prefix[layer][0].shape[2])
            grown = tuple(_grow(old, max(last, room), longest) for old in self.prefix[layer])
            for old, new in zip(grown, pair, strict=True):
                old[first:last, :, : new.shape[2]] = new
            self.prefix[layer] = grown
        self.prefix_lengths += lengths

    def release(self, document: int) -> int:
        """Lets a document go. The last one takes its place; returns the place that this one had."""
        last = len(self.prefix_lengths) - 1
        if document != last:
            for keys, values in self.prefix:
                keys[document], values[document] = keys[last], values[last]
            self.prefix_lengths[document] = self.prefix_lengths[last]
        self.prefix_lengths.pop()
        return last

    def arrange(self, parents: Sequence[int], filled: int) -> list[int]:
        """Gives each next row a place of its own, with its parent's suffix in it.

        A parent's first child stays where the parent was and nothing is copied for it: most rows have one child.

        Args:
            parents: the place of each row's parent, -1 for a row without one.
            filled: longest suffix.

        Returns:
            Places 0 … rows-1, one a row.
        """
        count = len(parents)
        places, kept = [-1] * count, set()
        for row, parent in enumerate(parents):
            if 0 <= parent < count and parent not in kept:
                places[row] = parent
                kept.add(parent)
        # a place that nobody kept has no child there to be read, so writing to it loses nothing
        free = iter([place for place in range(count) if place not in kept])
        moved = []
        for row, parent in enumerate(parents):
            if places[row] < 0:
                places[row] = next(free)
                if parent >= 0:
                    moved.append((parent, places[row]))
        if self.suffix and self.suffix[0][0].shape[0] < count:
            self.suffix = [tuple(_grow(t, count + count // 2, self.capacity) for t in pair) for pair in self.suffix]
        if moved and filled:
            device = self.suffix[0][0].device
            sources, targets = (torch.tensor(side, device=device) for side in zip(*moved, strict=True))
            for pair in self.suffix:
                for tensor in pair:
                    tensor[targets, :, :filled] = tensor[sources, :, :filled]
        return places

    def begin(self, documents: Sequence[int], lengths: Sequence[int]) -> None:
        """Prepares a step: for each row, its document's place and the tokens in its suffix so far."""
        device = self.suffix[0][0].device
        seen = [0] * len(self.prefix_lengths)
        places = []
        for document in documents:
            places.append(seen[document])
            seen[document] += 1
        longest, filled = max(self.prefix_lengths), max(lengths) + 1
        document, length = torch.tensor(documents, device=device), torch.tensor(lengths, device=device)
        prefix_mask = suffix_mask = None
        if min(self.prefix_lengths) < longest:
            own = torch.tensor(self.prefix_lengths, device=device)
            prefix_mask = (torch.arange(longest, device=device) >= own[:, None])[:, None, None]
        if min(lengths) + 1 < filled:
            suffix_mask = (torch.arange(filled, device=device) > length[:, None])[:, None, None]
        place = torch.tensor(places, device=device)
        self._step = Step(document, place, max(seen), length, longest, filled, prefix_mask, suffix_mask)

    def attend(self, layer: int, query: Tensor, pair: tuple[Tensor, Tensor] | None, bias: Tensor | None) -> Tensor:
        """Attention of every row.

        Args:
            query: (rows, heads, head size), scaled.
            pair: this step's keys and values, (rows, key heads, head size); None for cross-attention, which reads the
                prefix alone.
            bias: (rows, heads, 1, suffix), added to the suffix's scores.

        Returns:
            (rows, heads, head size)
        """
        step, parts = self.step, []
        if pair is not None:
            for tensor, new in zip(self.suffix[layer], pair, strict=True):
                tensor[torch.arange(len(new), device=new.device), :, step.length] = new
        heads = (self.prefix if pair is None else self.suffix)[layer][0].shape[1]
        query = query.reshape(query.shape[0], heads, -1, query.shape[-1])
        if (pair is None or not self.is_encoder_decoder) and step.prefix_length > 0:
            parts.append(self._attend_prefix(layer, query))
        if pair is not None:
            keys, values = (t[: len(query), :, : step.suffix_length] for t in self.suffix[layer])
            scores = torch.matmul(query, keys.transpose(-1, -2))
            if bias is not None:
                scores += bias.view(scores.shape)
            parts.append(_read(_mask(scores, step.suffix_mask), values))
        return _merge(parts).flatten(1, 2)

    def _attend_prefix(self, layer: int, query: Tensor) -> Part:
        """The documents' part, computed with the rows of a document side by side, so that its keys are read once."""
        step, documents = self.step, len(self.prefix_lengths)
        _, heads, group, size = query.shape
        keys, values = (t[:documents, :, : step.prefix_length] for t in self.prefix[layer])
        padded = self._borrow(query, documents, heads, step.width, group, size)
        padded.transpose(1, 2)[step.document, step.place] = query
        scores = self._borrow(query, documents, heads, step.width * group, step.prefix_length)
        torch.matmul(padded.view(documents, heads, -1, size), keys.transpose(-1, -2), out=scores)
        parts = _read(_mask(scores, step.prefix_mask), values)
        return tuple(
            part.view(documents, heads, step.width, group, -1).transpose(1, 2)[step.document, step.place]
            for part in parts
        )

    def _borrow(self, like: Tensor, *shape: int) -> Tensor:
        """A tensor of a shape, over memory that is kept from layer to layer: fresh pages cost more than the products.

        What it holds is left from before: finite numbers, in places that no row reads.
        """
        needed, key = math.prod(shape), len(shape)
        if key not in self.scratch or self.scratch[key].numel() < needed or self.scratch[key].dtype != like.dtype:
            self.scratch[key] = like.new_zeros(needed + needed // 4)
        return self.scratch[key][:needed].view(shape)


def _mask(scores: Tensor, mask: Tensor | None) -> Tensor:
    return scores if mask is None else scores.masked_fill_(mask, float("-inf"))


def _read(scores: Tensor, values: Tensor) -> Part:
    """Half a softmax: unnormalised output, highest score and sum of weights. Overwrites the scores."""
    # with nothing to attend to, the highest is minus infinity, and minus infinity less itself is no number
    highest = scores.amax(-1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).min)
    weights = scores.sub_(highest).exp_()
    return torch.matmul(weights, values), highest.float(), weights.sum(-1, keepdim=True, dtype=torch.float32)


def _merge(parts: Sequence[Part]) -> Tensor:
    """One softmax over all parts: each is scaled to the highest score of any (Milakov & Gimelshein, 1805.02867)."""
    highest = torch.stack([part[1] for part in parts]).amax(0)
    scales = [(part[1] - highest).exp() for part in parts]
    output = sum(part[0] * scale for part, scale in zip(parts, scales, strict=True))
    return (output / sum(part[2] * scale for part, scale in zip(parts, scales, strict=True))).to(parts[0][0].dtype)


def _grow(tensor: Tensor, rows: int, tokens: int) -> Tensor:
    """The tensor with room for so many rows and tokens; itself if it has it."""
    if tensor.shape[0] >= rows and tensor.shape[2] >= tokens:
        return tensor
    grown = tensor.new_zeros(max(rows, tensor.shape[0]), tensor.shape[1], max(tokens, tensor.shape[2]), tensor.shape[3])
    grown[: tensor.shape[0], :, : tensor.shape[2]] = tensor
    return grown
