"""Which models the engine serves, and how it is told that it cannot."""

import logging

import pytest
import torch
from builders import build_tiny_model
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.grid import decode_grid
from pipeline.decoding.support import find_obstacle
from pipeline.errors import InputError
from pipeline.models.attentions import find_difference
from pipeline.params.grid import Configuration

LLAMA = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA |= {"num_key_value_heads": 2, "vocab_size": 400, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
UNSERVED = {
    "a sliding window of 16": lambda: MistralForCausalLM(MistralConfig(**LLAMA, sliding_window=16)),
    "not on transformers' attention interface": lambda: BloomForCausalLM(
        BloomConfig(vocab_size=400, hidden_size=32, n_layer=2, n_head=4, eos_token_id=0, pad_token_id=1)
    ),
    "layers of linear_attention": lambda: MambaForCausalLM(
        MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2, eos_token_id=0, pad_token_id=1)
    ),
}
GRID = [Configuration("g", {"max_new_tokens": 5}), Configuration("b", {"max_new_tokens": 5, "num_beams": 2})]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
def test_families_that_the_presets_name_are_served(family, dtype):
    assert find_obstacle(build_tiny_model(family, 400).to(dtype)) is None


def test_window_that_a_config_switches_off_is_no_obstacle():
    assert find_obstacle(Qwen2ForCausalLM(Qwen2Config(**LLAMA, sliding_window=16, use_sliding_window=False))) is None


@pytest.mark.parametrize("reason", UNSERVED)
def test_other_models_go_to_generate_and_one_line_says_why(reason, tokenizer, caplog):
    torch.manual_seed(0)
    model = UNSERVED[reason]().eval()
    assert reason in find_obstacle(model)
    with caplog.at_level(logging.WARNING):
        chosen, _ = decode_grid(Decoder(model, tokenizer, 2, 0), ["a", "b"], [[5, 6], [7, 8, 9]], GRID)
    said = [record.message for record in caplog.records if record.name.startswith("pipeline")]
    assert len(said) == 1
    assert reason in said[0]
    forced, _ = decode_grid(Decoder(model, tokenizer, 2, 0, "generate"), ["a", "b"], [[5, 6], [7, 8, 9]], GRID)
    assert chosen.equals(forced)


def test_engine_asked_for_by_name_refuses_what_it_cannot_serve(tokenizer):
    decoder = Decoder(UNSERVED["a sliding window of 16"](), tokenizer, 2, 0, "shared")
    with pytest.raises(InputError, match=r"decode.engine: shared cannot serve the model: .* window of 16"):
        decode_grid(decoder, ["a"], [[5, 6]], GRID)


def test_generation_config_that_shapes_decoding_is_an_obstacle():
    model = build_tiny_model("bart", 400)
    model.generation_config.forced_eos_token_id = 0
    assert "forced_eos_token_id" in find_obstacle(model)


def test_attention_that_reads_what_the_config_does_not_tell_is_found_out(monkeypatch):
    model = build_tiny_model("llama", 400)
    original = model.model.rotary_emb.forward
    # positions that do not follow position_ids
    monkeypatch.setattr(model.model.rotary_emb, "forward", lambda x, position_ids: original(x, position_ids % 4))
    assert find_obstacle(model) is None
    arange = torch.arange
    monkeypatch.setattr(
        model.model.rotary_emb, "forward", lambda x, position_ids: original(x, arange(x.shape[1])[None])
    )
    assert "differ from the model's own" in find_obstacle(model)


def test_prompt_tuning_is_an_obstacle_and_lora_is_none():
    from peft import LoraConfig, PromptTuningConfig, get_peft_model

    lora = get_peft_model(build_tiny_model("gpt2", 400), LoraConfig(task_type="CAUSAL_LM", r=2))
    assert find_obstacle(lora) is None
    tuned = get_peft_model(
        build_tiny_model("gpt2", 400), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    )
    assert "prompt" in find_obstacle(tuned)


def test_beams_that_sample_go_to_generate_and_the_rest_does_not(tokenizer, caplog):
    drawn = Configuration("drawn", {"max_new_tokens": 5, "num_beams": 2, "do_sample": True})
    model = build_tiny_model("gpt2", len(tokenizer))
    with caplog.at_level(logging.INFO, logger="pipeline"):
        mixed, effort = decode_grid(Decoder(model, tokenizer, 2, 0), ["a", "b"], [[5, 6], [7, 8, 9]], [*GRID, drawn])
    messages = [record.message for record in caplog.records]
    assert any("drawn: beams that sample" in message for message in messages)
    # the engine decoded the others
    assert effort.wanted_rows > 0
    assert mixed["configuration"].tolist() == ["g", "g", "b", "b", "drawn", "drawn"]
    alone, _ = decode_grid(Decoder(model, tokenizer, 9, 0), ["b"], [[7, 8, 9]], [drawn])
    assert alone["text"].tolist() == mixed["text"].tolist()[-1:]


def test_logits_are_judged_by_the_models_precision_not_by_their_own():
    # a model may hand out fp32 logits that were computed in bf16
    theirs = torch.linspace(-3, 3, 40).view(2, 20)
    ours = theirs + 0.02
    assert find_difference(ours, theirs, torch.bfloat16) is None
    assert "differ from the model's own" in find_difference(ours, theirs, torch.float32)
    assert find_difference(torch.full_like(theirs, float("nan")), theirs, torch.bfloat16)
