"""A few rows of a frozen embedding that are trained: those of special tokens, beside LoRA. peft keeps and saves them.

peft's own layer copies the whole matrix in every step and computes a gradient for all of it, and it leaves out the bias
of a head that has one, as GPT-J's. Here the frozen matrix is used as ever and the trained rows alone are added.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer
from peft.utils.other import TrainableTokensWrapper
from torch import Tensor
from torch.nn.functional import embedding, linear

from pipeline.errors import InputError
from pipeline.models.special_tokens import NEW_ROWS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class TokenRows(TrainableTokensLayer):
    """peft's layer over an embedding or a head, computed without a copy of its matrix."""

    def forward_adapters(self, x: Tensor, active_adapters: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Of an embedding, token ids (…) -> (…, width); of a head, (…, width) -> logits (…, vocabulary)."""
        if self.disable_adapters or self.merged or len(active_adapters) != 1:
            return super().forward_adapters(x, active_adapters, *args, **kwargs)
        name, layer = active_adapters[0], self.base_layer
        rows, output = self.trainable_tokens_delta[name], layer(x, *args, **kwargs)
        numbers = torch.tensor(self.token_indices[name], device=x.device)
        if isinstance(layer, torch.nn.Embedding):
            matches = x[..., None] == numbers
            own = embedding(matches.int().argmax(-1), rows)
            scale = self._get_embed_scale()
            own = own if scale is None else own * scale
            return torch.where(matches.any(-1)[..., None], own.to(output.dtype), output)
        bias = None if layer.bias is None else layer.bias[numbers]
        # in place: nothing else reads these logits, and they are the largest tensor of a step
        return output.index_copy_(-1, numbers, linear(x, rows.to(x.dtype), bias).to(output.dtype))


def get_row_targets(model: "PreTrainedModel") -> dict[str, list[int]] | None:
    """peft's `trainable_token_indices` for the rows that `grow_embeddings` made: by module; None if there are none.

    peft follows a head that is tied to the embeddings by itself.
    """
    rows = getattr(model, NEW_ROWS, None)
    if not rows:
        return None
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    names = {id(module): name for name, module in model.named_modules()}
    kept = [embeddings] if head is None or head.weight is embeddings.weight else [embeddings, head]
    return {names[id(module)]: list(rows) for module in kept}


def refuse_targets(model: "PreTrainedModel", targets: Any) -> None:
    """Raises InputError if LoRA is to adapt the embeddings or the head, which have trained rows."""
    layers = {id(layer) for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    names = [name for name, module in model.named_modules() if id(module) in layers]
    for target in targets if isinstance(targets, list) else []:
        if any(name == target or name.endswith(f".{target}") for name in names):
            raise InputError(f"lora.target_modules: {target}: has rows that model.special_tokens train; leave it out")


def keep_rows_apart(adapted: Any) -> None:
    """Makes peft's layers of a model `TokenRows`, and keeps their matrices out of what is saved."""
    layers = [module for module in adapted.modules() if type(module) is TrainableTokensLayer]
    for module in layers:
        # peft makes the layer itself and takes no other class
        module.__class__ = TokenRows
    if layers:
        # a grown vocabulary would make peft save all of it, in every checkpoint
        adapted.save_pretrained = partial(adapted.save_pretrained, save_embedding_layers=False)


def merge_rows(adapted: Any) -> None:
    """Writes the trained rows into their matrices and takes peft's layers off; what else peft added stays."""
    wrappers = [(name, m) for name, m in adapted.named_modules() if isinstance(m, TrainableTokensWrapper)]
    for name, wrapper in wrappers:
        parent, _, child = name.rpartition(".")
        plain = wrapper.unload_and_optionally_merge_module(merge=True, safe_merge=False, adapter_names=None)
        setattr(adapted.get_submodule(parent), child, plain)
