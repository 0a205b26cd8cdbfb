"""How many rows fit: from the shape of the model and what is free."""

from collections.abc import Sequence
from typing import Any

from pipeline.models.devices import get_free_memory
from pipeline.params.grid import Configuration

# the rest is for activations, fragmentation and whoever else is on the machine
SHARE = 0.5
# past this, more rows make a step longer and no document cheaper
MOST_ROWS = 4096
# bytes that compiled kernels and workspaces take, whatever the rows; of little, half
KERNELS = 128 * 2**20


def count_bytes_a_token(model: Any) -> int:
    """Bytes of keys and values of one token, over all layers."""
    config = model.config.get_text_config(decoder=True)
    layers = getattr(config, "num_decoder_layers", None) or config.num_hidden_layers
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None)
    size = size or config.hidden_size // config.num_attention_heads
    return 2 * layers * heads * size * model.dtype.itemsize


def estimate_rows(model: Any, configurations: Sequence[Configuration], prompt_tokens: int) -> int:
    """Rows that may be in flight together, if no two were equal; at least 1.

    Args:
        prompt_tokens: of the longest prompt, which a document's rows share.
    """
    rows = sum(configuration.cost for configuration in configurations)
    new = max(configuration.settings["max_new_tokens"] for configuration in configurations)
    config = model.config.get_text_config(decoder=True)
    kept = count_bytes_a_token(model) * (new + prompt_tokens / rows)
    # logits in the model's precision and again in fp32, attention scores of one layer, a few hidden states
    passing = config.vocab_size * (model.dtype.itemsize + 4) + 8 * config.num_attention_heads * (prompt_tokens + new)
    passing += 32 * config.hidden_size * model.dtype.itemsize
    free = get_free_memory(model.device.type)
    return max(1, min(MOST_ROWS, int(SHARE * (free - min(KERNELS, free // 2)) / (kept + passing))))
