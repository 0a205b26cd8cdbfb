"""Candidates of every configuration; batching and padding change nothing."""

import pandas as pd
import pytest
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.grid import decode_grid
from pipeline.params.grid import Configuration

CONFIGURATIONS = [
    Configuration("greedy", {"max_new_tokens": 12}),
    Configuration("block", {"max_new_tokens": 12, "no_repeat_ngram_size": 2}),
    Configuration("beam", {"max_new_tokens": 12, "num_beams": 3, "num_return_sequences": 2}),
]


def build_decoder(family, tokenizer, batch_size):
    model = build_tiny_model(family, len(tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return Decoder(model, tokenizer, batch_size, seed=0)


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
def test_batches_give_what_single_documents_give(family, tokenizer):
    # padding on the wrong side, or wrong positions, would change the tokens
    texts = ["축제", "서울에서 축제가 열렸다.", "시민 300명이 참여했다. 날씨가 맑았다. 서울에서 열렸다."]
    prompts = [ids or [2] for ids in tokenizer(texts)["input_ids"]]
    together, _ = decode_grid(build_decoder(family, tokenizer, 3), ["a", "b", "c"], prompts, CONFIGURATIONS)
    alone, _ = decode_grid(build_decoder(family, tokenizer, 1), ["a", "b", "c"], prompts, CONFIGURATIONS)
    pd.testing.assert_frame_equal(together, alone)
    assert together.groupby("configuration", sort=False).size().to_dict() == {"greedy": 3, "block": 3, "beam": 6}
    assert together["id"].tolist()[:3] == ["a", "b", "c"]


def test_sampling_is_repeatable_and_follows_the_seed(tokenizer):
    sampling = [Configuration("s", {"max_new_tokens": 12, "do_sample": True, "num_return_sequences": 3})]
    decoder = build_decoder("gpt2", tokenizer, 2)
    prompts = tokenizer(["축제가 열렸다", "시민이 참여했다"])["input_ids"]
    first, again = (decode_grid(decoder, ["a", "b"], prompts, sampling)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other, _ = decode_grid(Decoder(decoder.model, tokenizer, 2, seed=1), ["a", "b"], prompts, sampling)
    assert first["text"].tolist() != other["text"].tolist()
    assert first["candidate"].tolist() == [0, 1, 2, 0, 1, 2]
