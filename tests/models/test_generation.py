"""What generate wrote, read; a greedy summary is the engine's too; memory that runs out is survived."""

import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.grid import decode_grid
from pipeline.models.generation import generate_tokens, read_summary, summarize_greedily
from pipeline.params.grid import Configuration


def test_cap_and_end_of_text_are_told_apart(tokenizer):
    end = tokenizer.eos_token_id
    word = tokenizer("축제")["input_ids"]
    assert read_summary([*word, end, 1, 1], tokenizer) == ("축제", len(word) + 1, True)
    assert read_summary(word, tokenizer) == ("축제", len(word), False)


def test_bytes_that_the_cap_cuts_through_leave_no_mark(tokenizer):
    broken = tokenizer("뷁")["input_ids"][:-1]
    assert "\ufffd" not in read_summary([*tokenizer("축제")["input_ids"], *broken], tokenizer)[0]


def test_byte_0_that_a_model_writes_leaves_no_nul(tokenizer):
    nul = tokenizer("\0")["input_ids"]
    assert tokenizer.decode(nul) == "\0"
    assert (
        read_summary([*tokenizer("축제")["input_ids"], *nul, *tokenizer("가")["input_ids"]], tokenizer)[0] == "축제가"
    )


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_greedy_summaries_are_those_of_the_engine(family, batch_size, tokenizer):
    model = build_tiny_model(family, len(tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    texts = ["축제", "서울에서 축제가 열렸다.", "시민 300명이 참여했다. 날씨가 맑았다.", "날씨가 맑았다."]
    prompts = [ids or [2] for ids in tokenizer(texts)["input_ids"]]
    greedy = [Configuration("greedy", {"max_new_tokens": 12})]
    candidates, _ = decode_grid(Decoder(model, tokenizer, 4, 0, "shared"), list("abcd"), prompts, greedy)
    assert summarize_greedily(model, tokenizer, prompts, 12, batch_size) == candidates["text"].tolist()
    assert len(set(candidates["text"])) > 1


def test_memory_that_runs_out_halves_the_batch(tokenizer, monkeypatch):
    model = build_tiny_model("gpt2", len(tokenizer))
    prompts = tokenizer(["축제가 열렸다", "시민이 참여했다", "날씨가 맑았다", "서울에서 열렸다"])["input_ids"]
    whole = generate_tokens(model, 1, prompts, {"max_new_tokens": 4})
    generate, sizes = model.generate, []

    def run_out(input_ids, **settings):
        sizes.append(len(input_ids))
        if len(input_ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(input_ids=input_ids, **settings)

    monkeypatch.setattr(model, "generate", run_out)
    assert generate_tokens(model, 1, prompts, {"max_new_tokens": 4}) == whole
    assert sizes == [4, 2, 1, 1, 2, 1, 1]
