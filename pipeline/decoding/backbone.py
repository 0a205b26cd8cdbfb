"""A transformers model, run over a `SharedPrefixCache`: documents in once, then one token a row and step.

The rows of a step stand along the sequence axis of a batch of one. All that a transformer does outside of attention is
the same for every token, so each row may have its own document and its own position.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface
from transformers.modeling_outputs import BaseModelOutput

from pipeline.decoding.attention import SharedPrefixCache
from pipeline.models.attentions import attending, is_gptj_attention
from pipeline.models.patches import Patch, patched

NAME = "shared_prefix"
# keyword arguments by which a model asks for another attention than softmax(QK)V over everything
UNSERVED = ("softcap", "sliding_window", "s_aux", "sinks")
CROSS_ATTENTION = ("EncDecAttention", "encoder_attn")
# tokens that go through the model together when documents come in: bounds the activations
PREFILL_TOKENS = 4096


class Backbone:
    """Runs a model.

    Args:
        model: any causal or encoder-decoder model in which `pipeline.decoding.support.find_obstacle` finds nothing.
        suffix_length: most tokens of a row, the one that begins it included.
    """

    def __init__(self, model: Any, suffix_length: int):
        self.model = model
        self.is_encoder_decoder = bool(model.config.is_encoder_decoder)
        self.decoder = model.get_decoder() if self.is_encoder_decoder else model.base_model
        self.cache = SharedPrefixCache(suffix_length, self.is_encoder_decoder)
        self.position = torch.empty(0, dtype=torch.long)

    def reset(self) -> None:
        """Forgets every document."""
        self.cache = SharedPrefixCache(self.cache.capacity, self.is_encoder_decoder)

    def arrange(self, parents: Sequence[int], filled: int) -> list[int]:
        """As `SharedPrefixCache.arrange`."""
        return self.cache.arrange(parents, filled)

    def release(self, slot: int) -> int:
        """As `SharedPrefixCache.release`."""
        return self.cache.release(slot)

    def get_root(self, prompt: Sequence[int]) -> int:
        """The token that begins a document's rows: a causal prompt's last, an encoder-decoder's start token."""
        if not self.is_encoder_decoder:
            return prompt[-1]
        start = self.model.generation_config.decoder_start_token_id
        return start if start is not None else self.model.config.decoder_start_token_id

    def get_history_length(self, prompt: Sequence[int]) -> int:
        """Tokens of a prompt that processors see before the root; an encoder-decoder's see none of its source."""
        return 0 if self.is_encoder_decoder else len(prompt) - 1

    def get_prefix_length(self, prompt: Sequence[int]) -> int:
        """Tokens of a prompt that are kept as prefix; a causal prompt's last is its rows' first own token."""
        return len(prompt) - (not self.is_encoder_decoder)

    def prefill(self, prompts: Sequence[list[int]]) -> None:
        """Takes documents in, in order."""
        start, room = 0, len(self.cache.prefix_lengths) + len(prompts)
        while start < len(prompts):
            stop, longest = start + 1, len(prompts[start])
            while stop < len(prompts) and max(longest, len(prompts[stop])) * (stop + 1 - start) <= PREFILL_TOKENS:
                longest = max(longest, len(prompts[stop]))
                stop += 1
            chunk = prompts[start:stop]
            prefixes, like = (self._encode if self.is_encoder_decoder else self._read)(chunk)
            self.cache.admit(prefixes, like, [self.get_prefix_length(prompt) for prompt in chunk], room)
            start = stop

    def _read(self, prompts: Sequence[list[int]]) -> Any:
        """Keys and values of all tokens but the last, for each layer."""
        device = self.model.device
        # each padded with its own first token: what stands to the right of a token is never seen by it
        longest = max(2, max(len(p) for p in prompts)) - 1
        rows = [p[:-1] + [p[0]] * (longest - len(p) + 1) for p in prompts]
        output = self.decoder(input_ids=torch.tensor(rows, device=device), use_cache=True)
        layers = [(layer.keys, layer.values) for layer in output.past_key_values.layers]
        return layers, layers

    def _encode(self, prompts: Sequence[list[int]]) -> Any:
        """Keys and values that each layer's cross-attention reads, and those of a first token for their shape."""
        device = self.model.device
        ids = pad_sequence([torch.tensor(p) for p in prompts], batch_first=True).to(device)
        mask = pad_sequence([torch.ones(len(p), dtype=torch.long) for p in prompts], batch_first=True).to(device)
        hidden = self.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        root = torch.full((len(prompts), 1), self.get_root([]), device=device)
        output = self.decoder(input_ids=root, encoder_hidden_states=hidden, encoder_attention_mask=mask, use_cache=True)
        caches = output.past_key_values.cross_attention_cache, output.past_key_values.self_attention_cache
        return tuple([(layer.keys, layer.values) for layer in cache.layers] for cache in caches)

    def step(self, tokens: Sequence[int], documents: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """One token for every row.

        Args:
            tokens: (rows,) each row's newest token.
            documents: (rows,) the place of each row's document.
            lengths: (rows,) tokens in each row's suffix before this one.

        Returns:
            Logits, (rows, vocabulary), in the model's precision.
        """
        device, cache = self.model.device, self.cache
        cache.begin(documents, lengths)
        step = cache.step
        prefix = 0 if self.is_encoder_decoder else torch.tensor(cache.prefix_lengths, device=device)[step.document]
        self.position = step.length + prefix
        ids = torch.tensor([list(tokens)], device=device)
        # a mask of four axes is taken as it is, so that none is computed; nothing reads it
        mask = ids.new_zeros(1, 1, 1, 1)
        with self._attached():
            if not self.is_encoder_decoder:
                return self.model(
                    input_ids=ids, attention_mask=mask, position_ids=self.position[None], use_cache=False
                ).logits[0]
            # cross-attention reads the prefix; the model insists on states to compute keys from, so it gets one
            states = torch.zeros(1, 1, self.model.config.hidden_size, device=device, dtype=self.model.dtype)
            return self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                decoder_input_ids=ids,
                decoder_attention_mask=mask,
                use_cache=False,
            ).logits[0]

    @contextmanager
    def _attached(self) -> Iterator[None]:
        """The model's attention and positions are ours inside the block, and its own again after it."""
        AttentionInterface.register(NAME, attend)
        patches: list[Patch] = []
        hooks = []
        for name, module in self.decoder.named_modules():
            if hasattr(module, "layer_idx"):
                module.shared_prefix = self.cache
                module.reads_prefix = name.rsplit(".", 1)[-1] in CROSS_ATTENTION
            if is_gptj_attention(module):
                patches.append((module, "_attn", _build_gptj_attention(module)))
            if getattr(module, "has_relative_attention_bias", False):
                patches.append((module, "compute_bias", self._build_bias(module)))
            if self.is_encoder_decoder and name == "embed_positions":
                hooks.append(module.register_forward_pre_hook(self._set_position, with_kwargs=True))
        try:
            with attending(self.model, NAME), patched(patches):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _set_position(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """BART counts positions from the cache's length, one for all rows; here each row has its own."""
        return args, {**kwargs, "position_ids": self.position}

    def _build_bias(self, module: Any) -> Any:
        """T5's relative position bias, for rows of different lengths."""

        def compute_bias(*_: Any, **__: Any) -> Tensor:
            step = self.cache.step
            distance = torch.arange(step.suffix_length, device=step.length.device) - step.length[:, None]
            bucket = module._relative_position_bucket(
                distance,
                bidirectional=False,
                num_buckets=module.relative_attention_num_buckets,
                max_distance=module.relative_attention_max_distance,
            )
            return module.relative_attention_bias(bucket).transpose(1, 2)[:, :, None]

        return compute_bias


def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **settings: Any) -> Any:
    """An attention function of transformers' `AttentionInterface`: the rows of a step stand along the sequence axis.

    Args:
        module: carries the `SharedPrefixCache` as `shared_prefix`, and `reads_prefix` if it is a cross-attention.
        query: (1, heads, rows, head size); `key` and `value` likewise, for this step's tokens.

    Returns:
        (1, rows, heads, head size), and None for the weights.
    """
    if asked := [name for name in UNSERVED if settings.get(name) is not None]:
        raise NotImplementedError(f"attention with {', '.join(asked)}")
    scaling = settings.get("scaling")
    query = query[0].transpose(0, 1) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    pair = None if module.reads_prefix else (key[0].transpose(0, 1), value[0].transpose(0, 1))
    bias = None if module.reads_prefix else settings.get("position_bias")
    return module.shared_prefix.attend(module.layer_idx, query, pair, bias)[None], None


def _build_gptj_attention(module: Any) -> Any:
    """GPT-J has an attention of its own, outside of the interface."""

    def _attn(query: Tensor, key: Tensor, value: Tensor, attention_mask: Any = None) -> tuple[Tensor, None]:
        output, _ = attend(module, query, key, value, attention_mask, scaling=1 / module.scale_attn)
        return output.transpose(1, 2), None

    return _attn
