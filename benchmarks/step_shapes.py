"""Models of which benchmarks time a training step, random ones."""

from collections.abc import Callable
from typing import Any

from transformers import BartConfig, GPT2Config, GPTJConfig, LlamaConfig, T5Config
from transformers.models.bart.modeling_bart import BartForConditionalGeneration
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.models.gptj.modeling_gptj import GPTJForCausalLM
from transformers.models.llama.modeling_llama import LlamaForCausalLM
from transformers.models.t5.modeling_t5 import T5ForConditionalGeneration

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
    # KoBART's
    "bart": lambda: BartForConditionalGeneration(
        BartConfig(
            vocab_size=30_000, max_position_embeddings=1026, d_model=768, encoder_layers=6, decoder_layers=6,
            encoder_attention_heads=16, decoder_attention_heads=16, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
            dropout=0.0, bos_token_id=0, eos_token_id=0, pad_token_id=1, decoder_start_token_id=0,
            forced_eos_token_id=None,
        )
    ),
    # pko-t5-base's
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(
            vocab_size=50_358, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_heads=12, dropout_rate=0.0,
            feed_forward_proj="gated-gelu", tie_word_embeddings=False, pad_token_id=1, eos_token_id=0,
            decoder_start_token_id=1,
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
