"""Candidates of every configuration; batching and padding change nothing."""

from collections import Counter

import pandas as pd
import pytest
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.grid import decode_grid
from pipeline.models.prompts import PromptBuilder
from pipeline.params.grid import Configuration
from pipeline.stages.decode import (
    compute_metrics,
    decode,
    describe_rounds,
    list_configurations,
    list_untuned,
    search_grid,
)

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


def test_cap_and_end_of_text_are_told_apart(tokenizer):
    from pipeline.models.generation import read_summary

    end = tokenizer.eos_token_id
    word = tokenizer("축제")["input_ids"]
    assert read_summary([*word, end, 1, 1], tokenizer) == ("축제", len(word) + 1, True)
    assert read_summary(word, tokenizer) == ("축제", len(word), False)


def test_bytes_that_the_cap_cuts_through_leave_no_mark(tokenizer):
    from pipeline.models.generation import read_summary

    broken = tokenizer("뷁")["input_ids"][:-1]
    assert "\ufffd" not in read_summary([*tokenizer("축제")["input_ids"], *broken], tokenizer)[0]


def test_prompts_of_decode_are_built_by_the_one_template(tokenizer, five_rows, make_params):
    params = make_params(**{"decode.max_new_tokens": 8, "prompt.max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    configurations = [list_configurations(params.decode)[0], list_untuned(params.decode)[0]]
    candidates, effort = decode(build_decoder("gptj", tokenizer, 4), builder, five_rows, configurations)
    assert candidates["configuration"].unique().tolist() == ["greedy/no_repeat_ngram_size:0", "untuned"]
    assert (candidates["tokens"] <= 8).all()
    metrics = compute_metrics(candidates, effort)
    assert (metrics["documents"], metrics["configurations"]) == (5, 2)
    # both are greedy here, so every row was wanted twice
    assert metrics["distinct_rows"] == 0.5
    remembered = compute_metrics(candidates, Effort(Counter(dict.fromkeys(effort.seconds, 0.0))))
    assert (remembered["tokens_per_second"], remembered["distinct_rows"]) == (0, None)


def test_halving_gives_the_survivors_what_the_whole_grid_gives_them(tokenizer, five_rows, make_params):
    grid = {"greedy": {"no_repeat_ngram_size": [0, 2, 3], "repetition_penalty": [1.0, 1.2, 1.5]}}
    changes = {"decode.grid": grid, "decode.max_new_tokens": 8, "prompt.max_summary_tokens": 24}
    params = make_params(**changes, **{"decode.search": "halving"})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    many = pd.concat([five_rows.assign(id=five_rows["id"] + str(n)) for n in range(20)], ignore_index=True)
    decoder = build_decoder("gptj", tokenizer, None)
    halved, effort, rounds = search_grid(decoder, builder, many, params.decode)
    whole, full, none = search_grid(decoder, builder, many, make_params(**changes).decode)
    assert none == []
    left = halved["configuration"].unique()
    assert 1 <= len(left) < 9
    pd.testing.assert_frame_equal(halved, whole[whole["configuration"].isin(left)].reset_index(drop=True))
    assert effort.wanted_rows < full.wanted_rows / 2
    assert [len(rounds[0]["scores"]), rounds[-1]["documents"]] == [9, 100]
    assert list(rounds[-1]["scores"]) == sorted(left, key=lambda name: -rounds[-1]["scores"][name])
    assert compute_metrics(halved, effort, rounds)["rounds"] == rounds
    assert describe_rounds(rounds).startswith("halving: 9 configurations for 20 documents, ")
