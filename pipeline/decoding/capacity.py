"""How many rows fit: from the shape of the model and what is free."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.decoding.grid import Configuration

# the rest is for activations, fragmentation and whoever else is on the machine
SHARE = 0.5
# past this, more rows make a step longer and no document cheaper
MOST_ROWS = 4096


def get_free_memory(device: torch.device) -> int:
    """Bytes that may still be taken on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


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
    return max(1, min(MOST_ROWS, int(SHARE * get_free_memory(model.device) / (kept + passing))))
