"""A model that reads packed rows.

Behind the keys and values of a causal model's last layer only the positions that predict a label are read again, so
there its attention and its feed-forward part compute those and leave the others at zero.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from pipeline.models.attentions import (
    attending,
    find_attention_obstacle,
    find_difference,
    get_bare_model,
    is_gptj_attention,
)
from pipeline.models.patches import Patch, patched
from pipeline.training.packed_attention import attend, build_gptj_attention, build_gptj_forward, build_turn
from pipeline.training.packed_encoder_decoder import build_patches, find_sides
from pipeline.training.packing import Packing, build_row, build_rows
from pipeline.training.rotations import FUNCTION, find_function

NAME = "packed"


@contextmanager
def packed(*models: Any) -> Iterator[Packing]:
    """Inside the block models read rows packed as the `Packing` says.

    Args:
        models: those in which `find_obstacle` finds nothing, adapted or not.
    """
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    packing = Packing()
    with ExitStack() as stack:
        stack.enter_context(patched(_leave_turns_to_attention(models, packing)))
        for model in models:
            stack.enter_context(_attached(model, packing))
        yield packing


def _leave_turns_to_attention(models: Iterable[Any], packing: Packing) -> list[Patch]:
    """The modeling files' rotary embeddings that attention makes itself; one file may be of several models."""
    kinds = {type(module) for model in models for module in model.modules() if hasattr(module, "layer_idx")}
    # a class may be derived from another file's
    files = [sys.modules[name] for name in {kind.forward.__module__ for kind in kinds}]
    found = [(file, find_function(file)) for file in files]
    return [(file, FUNCTION, build_turn(turn, packing)) for file, turn in found if turn is not None]


@contextmanager
def _attached(model: Any, packing: Packing) -> Iterator[None]:
    bare = get_bare_model(model)
    attentions = {name: module for name, module in bare.named_modules() if hasattr(module, "layer_idx")}
    last = max(attentions, key=lambda name: attentions[name].layer_idx)
    is_encoder_decoder = bare.config.is_encoder_decoder
    patches = (
        build_patches(bare, packing) if is_encoder_decoder else _build_causal_patches(bare, attentions, last, packing)
    )
    sides = find_sides(bare) if is_encoder_decoder else {}
    for name, module in attentions.items():
        module.packing, module.is_last, module.sides = packing, name == last, sides.get(name)
    try:
        with attending(bare, NAME), patched(patches):
            yield
    finally:
        for module in attentions.values():
            del module.packing, module.is_last, module.sides


def _build_causal_patches(model: Any, attentions: Mapping[str, Any], last: str, packing: Packing) -> list[Patch]:
    """Of a bare causal model, whose last attention has a name."""
    patches: list[Patch] = []
    for module in filter(is_gptj_attention, attentions.values()):
        patches += [(module, "_attn", build_gptj_attention(module)), (module, "forward", build_gptj_forward(module))]
    feed_forward = getattr(model.get_submodule(last.rpartition(".")[0]), "mlp", None)
    if feed_forward is not None:
        patches.append((feed_forward, "forward", _build_feed_forward(feed_forward, packing)))
    return patches


def find_obstacle(model: Any) -> str | None:
    """Why a model cannot read packed rows, in a few words; None if it can."""
    return find_attention_obstacle(model) or _find_by_running(model)


@torch.no_grad()
def _find_by_running(model: Any) -> str | None:
    """Compares two packed examples with the model's own forward pass over each."""
    size, training = len(model.get_input_embeddings().weight), model.training
    rows = [[(7 * i + k) % size for i in range(1, n)] for k, n in enumerate((9, 6))]
    try:
        theirs, batch = (
            _read_encoder_decoder(model.eval(), rows) if model.config.is_encoder_decoder else _read(model.eval(), rows)
        )
        with packed(model) as packing:
            ours = model(**packing.read(batch), use_cache=False).logits[0, : len(theirs)]
    except Exception as error:
        return f"it cannot read a packed row ({type(error).__name__}: {str(error).splitlines()[0]})"
    finally:
        model.train(training)
    difference = find_difference(ours, theirs, model.dtype)
    return difference and f"a packed row's logits {difference}"


def _read(model: Any, rows: list[list[int]]) -> tuple[Tensor, dict[str, Any]]:
    """A causal model's own logits of two labels of each row, one after the other; and the packed row."""
    alone = [model(input_ids=torch.tensor([row], device=model.device)).logits[0, -3:-1] for row in rows]
    return torch.cat(alone), build_row(rows, [2, 2], model.device)


def _read_encoder_decoder(model: Any, rows: list[list[int]]) -> tuple[Tensor, dict[str, Any]]:
    """As `_read`, of an encoder-decoder and all that its decoder is given: a row's end."""
    targets = [rows[0][4:], rows[1][3:]]
    ids = [[torch.tensor([row], device=model.device) for row in pair] for pair in zip(rows, targets, strict=True)]
    alone = [model(input_ids=source, decoder_input_ids=target, use_cache=False).logits[0] for source, target in ids]
    return torch.cat(alone), build_rows(rows, targets, model.device)


def _build_feed_forward(module: Any, packing: Packing) -> Callable[..., Tensor]:
    """The last layer's: nothing but the kept positions is read behind it."""
    original = module.forward

    def forward(hidden: Tensor, *args: Any, **settings: Any) -> Tensor:
        if packing.examples is None:
            return original(hidden, *args, **settings)
        rows = original(hidden.index_select(1, packing.kept), *args, **settings)
        return rows.new_zeros(hidden.shape).index_copy_(1, packing.kept, rows)

    return forward
