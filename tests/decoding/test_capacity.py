"""How many rows fit follows from the model's shape and what is free."""

import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding import capacity
from pipeline.decoding.capacity import count_bytes_a_token, estimate_rows
from pipeline.params.grid import Configuration

GREEDY = Configuration("g", {"max_new_tokens": 8})
BEAM = Configuration("b", {"max_new_tokens": 8, "num_beams": 4})


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bytes_of_a_token_are_those_of_the_models_own_cache(family, dtype):
    model = build_tiny_model(family, 60).to(dtype)
    encodes = {"decoder_input_ids": torch.tensor([[1, 2, 3]])} if model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        cache = model(input_ids=torch.tensor([[5, 6, 7]]), use_cache=True, **encodes).past_key_values
    cache = getattr(cache, "self_attention_cache", cache)
    held = sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))
    assert count_bytes_a_token(model) * 3 == held


def test_rows_grow_with_free_memory_and_shrink_with_what_a_row_holds(monkeypatch):
    model = build_tiny_model("gpt2", 60)

    def rows(megabytes, configurations=(GREEDY,), prompt=50):
        monkeypatch.setattr(capacity, "get_free_memory", lambda device: megabytes * 2**20)
        return estimate_rows(model, list(configurations), prompt)

    assert rows(0) == 1
    assert 1 < rows(2) < rows(8) <= capacity.MOST_ROWS
    assert rows(8, prompt=100) < rows(8)
    # rows of one document share its prompt
    assert rows(8, [GREEDY, BEAM]) > rows(8)
    assert rows(10**6) == capacity.MOST_ROWS
