"""Packing: a row of several examples gives each what it would have alone, and gradients to match."""

import pytest
import torch
from conftest import build_tiny_model
from transformers import MistralConfig, MistralForCausalLM

from pipeline.training import packing as module
from pipeline.training.packing import build_row, find_obstacle, packed

FAMILIES = ["gpt2", "gptj", "llama"]
ROWS = [[5, 6, 7, 8, 9], [7, 8], [9, 8, 7, 6, 5, 4, 3, 2, 9, 8, 7]]


def run_alone(model, rows):
    """The oracle: each example in a batch of its own."""
    return [model(input_ids=torch.tensor([row])).logits[0] for row in rows]


def run_packed(model, rows, labelled):
    with packed(model) as packing:
        batch, packing.lengths = build_row(rows, labelled)
        return model(**batch, use_cache=False).logits[0]


@pytest.mark.parametrize("block", [2, 128])
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_logits_and_gradients_are_those_of_each_example_alone(family, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    model = build_tiny_model(family, 50)
    gradients = []
    for logits in (
        run_packed(model, ROWS, [4, 1, 10]),
        torch.cat([alone[:-1] for alone in run_alone(model, ROWS)]),
    ):
        model.zero_grad()
        logits.log_softmax(-1)[:, 3].sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        gradients[-1]["logits"] = logits.detach()
    ours, oracle = gradients
    assert ours.keys() == oracle.keys()
    for name, value in oracle.items():
        assert torch.allclose(ours[name], value, atol=1e-4), name


def test_only_labels_reach_the_head():
    model = build_tiny_model("llama", 50)
    alone = run_alone(model, ROWS)
    expected = torch.cat([alone[0][2:4], alone[1][:1], alone[2][7:10]])
    assert torch.allclose(run_packed(model, ROWS, [2, 1, 3]), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_reads_padded_batches_as_ever_inside_and_outside_the_block(family):
    model = build_tiny_model(family, 50)
    ids, mask = torch.tensor([[1, 1, 5, 6], [7, 8, 9, 5]]), torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    batch = {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    before = model(**batch).logits[mask.bool()]
    with packed(model):
        inside = model(**batch).logits[mask.bool()]
        model.generate(ids, attention_mask=mask, max_new_tokens=2, pad_token_id=1)
    assert torch.allclose(inside, before, atol=1e-5)
    assert model(**batch).logits[mask.bool()].equal(before)


def test_dropout_falls_on_attention_in_training_alone():
    model = build_tiny_model("gpt2", 50)
    for layer in model.transformer.h:
        layer.attn.attn_dropout.p = 0.5
        layer.attn.config.attn_pdrop = 0.5
    quiet = run_packed(model, ROWS, [2, 1, 3])
    assert torch.allclose(quiet, run_packed(model, ROWS, [2, 1, 3]))
    model.train()
    assert not torch.allclose(quiet, run_packed(model, ROWS, [2, 1, 3]), atol=1e-4)


def test_blocks_cover_each_example_once():
    module_blocks = list(module._iterate_blocks([3, 300]))
    assert module_blocks == [(0, 0, 3), (3, 3, 131), (3, 131, 259), (3, 259, 303)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_that_the_presets_name_can_be_packed(family, dtype):
    assert find_obstacle(build_tiny_model(family, 400).to(dtype)) is None


def test_a_model_with_another_attention_is_not_packed():
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = MistralForCausalLM(MistralConfig(**shape, num_key_value_heads=2, vocab_size=400, sliding_window=16))
    assert "sliding window of 16" in find_obstacle(model)


def test_a_model_that_ignores_positions_is_not_packed(monkeypatch):
    model = build_tiny_model("gpt2", 400)
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda **batch: forward(**{**batch, "position_ids": None}))
    assert "a packed row's logits differ" in find_obstacle(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_autocast_mixes_precisions_and_gradients_still_come(family):
    # weights in fp32, as for train.method full: rotated queries are fp32 beside values in bf16
    model = build_tiny_model(family, 50).train()
    with packed(model) as packing:
        batch, packing.lengths = build_row(ROWS, [2, 1, 3])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**batch, use_cache=False).logits.float().log_softmax(-1).sum()
        loss.backward()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())
