"""Models of which benchmarks time a training step, random ones: GPT-2 125 M, a Llama of 135 M and the shipped base."""

from collections.abc import Callable
from typing import Any

from transformers import GPT2Config, GPTJConfig, LlamaConfig
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.models.gptj.modeling_gptj import GPTJForCausalLM
from transformers.models.llama.modeling_llama import LlamaForCausalLM

LONGEST = 512
RANK = 16
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SHAPES: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=51_200, n_positions=LONGEST, **NO_DROPOUT)),
    # SmolLM2's: queries in groups of three to a key
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(
            vocab_size=49_152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
            num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
            bos_token_id=0, eos_token_id=0,
        )
    ),
    # the shipped base
    "sample": lambda: GPTJForCausalLM(
        GPTJConfig(
            vocab_size=2000, n_positions=LONGEST, n_embd=256, n_layer=4, n_head=4, rotary_dim=64,
            activation_function="gelu", bos_token_id=0, eos_token_id=0, **NO_DROPOUT,
        )
    ),
}  # fmt: skip
