"""A batch without padding: its examples stand end to end in one row, and each attends to itself alone.

Positions begin anew with each example, and attention, the one place where tokens meet, is computed example by example
(as "packing with correct attention boundaries", Krell et al. 2021, arXiv 2107.02027). So the loss and its gradients are
those of a padded batch.

Behind the last layer's keys and values only the positions that predict a label are read again, so there its attention
and its feed-forward part compute those and leave the others at zero.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate, islice
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from pipeline.models.attentions import find_attention_obstacle, find_difference, is_gptj_attention
from pipeline.models.patches import Patch, patched
from pipeline.training.block_attention import STEP, Span, fill_up
from pipeline.training.packed_attention import attend, build_gptj_attention, build_gptj_forward

NAME = "packed"
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
    """

    def __init__(self) -> None:
        self.examples: list[Example] | None = None
        self.kept: Any = None

    def read(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Takes from a batch, packed or padded, how it is packed, and gives what of it is the model's."""
        self.examples, self.kept = batch.get("examples"), batch.get("logits_to_keep")
        return {name: value for name, value in batch.items() if name != "examples"}

    def iterate_spans(self, is_last_layer: bool) -> Iterator[Span]:
        """Where the examples stand, and which of their positions are wanted behind a layer."""
        assert self.examples is not None
        start = 0
        for length, labelled in self.examples:
            yield Span(start, length, length - labelled - 1 if is_last_layer else 0)
            start += length


@contextmanager
def packed(*models: Any) -> Iterator[Packing]:
    """Inside the block models read rows packed as the `Packing` says.

    Args:
        models: causal ones in which `find_obstacle` finds nothing, adapted or not.
    """
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    packing = Packing()
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(_attached(model, packing))
        yield packing


@contextmanager
def _attached(model: Any, packing: Packing) -> Iterator[None]:
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    attentions = {name: module for name, module in bare.named_modules() if hasattr(module, "layer_idx")}
    implementation, is_on_interface = bare.config._attn_implementation, bare._can_set_attn_implementation()
    patches: list[Patch] = []
    for module in filter(is_gptj_attention, attentions.values()):
        patches += [(module, "_attn", build_gptj_attention(module)), (module, "forward", build_gptj_forward(module))]
    last = max(attentions, key=lambda name: attentions[name].layer_idx)
    feed_forward = getattr(bare.get_submodule(last.rpartition(".")[0]), "mlp", None)
    if feed_forward is not None:
        patches.append((feed_forward, "forward", _build_feed_forward(feed_forward, packing)))
    for name, module in attentions.items():
        module.packing, module.is_last = packing, name == last
    try:
        if is_on_interface:
            bare.set_attn_implementation(NAME)
        with patched(patches):
            yield
    finally:
        if is_on_interface:
            bare.set_attn_implementation(implementation)
        for module in attentions.values():
            del module.packing, module.is_last


def find_obstacle(model: Any) -> str | None:
    """Why a model cannot read packed rows, in a few words; None if it can."""
    if model.config.is_encoder_decoder:
        return "it is an encoder-decoder"
    return find_attention_obstacle(model) or _find_by_running(model)


@torch.no_grad()
def _find_by_running(model: Any) -> str | None:
    """Compares two packed examples with the model's own forward pass over each."""
    size, training = model.get_input_embeddings().num_embeddings, model.training
    rows = [[(7 * i + k) % size for i in range(1, n)] for k, n in enumerate((9, 6))]
    try:
        alone = [model.eval()(input_ids=torch.tensor([row], device=model.device)).logits[0, -3:-1] for row in rows]
        theirs = torch.cat(alone)
        with packed(model) as packing:
            batch = packing.read(build_row(rows, [2, 2], model.device))
            ours = model(**batch, use_cache=False).logits[0, : len(theirs)]
    except Exception as error:
        return f"it cannot read a packed row ({type(error).__name__}: {str(error).splitlines()[0]})"
    finally:
        model.train(training)
    difference = find_difference(ours, theirs, model.dtype)
    return difference and f"a packed row's logits {difference}"


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


def _count_tokens(examples: Sequence[Example]) -> int:
    """Tokens of the row, filled up, with room for what fills the last example up."""
    *others, (last, _) = examples
    tokens = sum(length for length, _ in others) + fill_up(last, STEP)
    return fill_up(tokens, max(TOKENS, 2 ** (tokens.bit_length() - 4)))


def _find_kept(examples: Sequence[Example], tokens: int) -> list[int]:
    """Of a row's positions those that predict a label, in order, and others behind, to a multiple of `KEPT` or all."""
    ends = accumulate(length for length, _ in examples)
    kept = [i for end, (_, labels) in zip(ends, examples, strict=True) for i in range(end - labels - 1, end - 1)]
    labelled = set(kept)
    others = (i for i in range(tokens) if i not in labelled)
    return kept + list(islice(others, fill_up(len(kept), KEPT) - len(kept)))


def _build_feed_forward(module: Any, packing: Packing) -> Callable[..., Tensor]:
    """The last layer's: nothing but the kept positions is read behind it."""
    original = module.forward

    def forward(hidden: Tensor, *args: Any, **settings: Any) -> Tensor:
        if packing.examples is None:
            return original(hidden, *args, **settings)
        rows = original(hidden.index_select(1, packing.kept), *args, **settings)
        return rows.new_zeros(hidden.shape).index_copy_(1, packing.kept, rows)

    return forward
