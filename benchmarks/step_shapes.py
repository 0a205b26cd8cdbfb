"""The models of which benchmarks time a training step, with random weights: GPT-2 125 M and the shipped base."""

from collections.abc import Callable
from typing import Any

from transformers import GPT2Config, GPTJConfig
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.models.gptj.modeling_gptj import GPTJForCausalLM

LONGEST = 512
RANK = 16
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SHAPES: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=51_200, n_positions=LONGEST, **NO_DROPOUT)),
    # the shipped base
    "sample": lambda: GPTJForCausalLM(
        GPTJConfig(
            vocab_size=2000, n_positions=LONGEST, n_embd=256, n_layer=4, n_head=4, rotary_dim=64,
            activation_function="gelu", bos_token_id=0, eos_token_id=0, **NO_DROPOUT,
        )
    ),
}  # fmt: skip
