"""Packing: a row of several examples gives each what it would have alone, and gradients to match."""

import sys

import pytest
import torch
from builders import build_tiny_model
from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPTJConfig,
    GPTJForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from pipeline.training import block_attention
from pipeline.training.block_attention import Span, attend_in_blocks
from pipeline.training.fused import fused
from pipeline.training.packed_model import find_obstacle, packed
from pipeline.training.packing import build_row
from pipeline.training.rotations import Halves

FAMILIES = ["gpt2", "gptj", "llama"]
ROWS = [[5, 6, 7, 8, 9], [7, 8], [9, 8, 7, 6, 5, 4, 3, 2, 9, 8, 7]]


def run_alone(model, rows):
    """The oracle: each example in a batch of its own."""
    return [model(input_ids=torch.tensor([row])).logits[0] for row in rows]


def run_packed(model, rows, labelled):
    with packed(model) as packing:
        batch = packing.read(build_row(rows, labelled))
        return model(**batch, use_cache=False).logits[0, : sum(labelled)]


@pytest.mark.parametrize("labelled", [[4, 1, 10], [2, 1, 3]])
@pytest.mark.parametrize("block", [2, 128])
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_logits_and_gradients_are_those_of_each_example_alone(family, block, labelled, monkeypatch):
    monkeypatch.setattr(block_attention, "BLOCK", block)
    model = build_tiny_model(family, 50)
    gradients = []
    for logits in (
        run_packed(model, ROWS, labelled),
        torch.cat([alone[-n - 1 : -1] for alone, n in zip(run_alone(model, ROWS), labelled, strict=True)]),
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
def test_what_fills_a_row_up_may_be_longer_than_the_context(family):
    model = build_tiny_model(family, 50)
    rows = [[5, 6, 7, 8] * 31] * 17
    row = build_row(rows, [2] * 17)
    assert row["input_ids"].shape[1] - 17 * 124 > model.config.max_position_embeddings
    alone = run_alone(model, rows[:1])[0][-3:-1].repeat(17, 1)
    assert torch.allclose(run_packed(model, rows, [2] * 17), alone, atol=1e-5)


def test_an_example_may_be_filled_up_beyond_the_context():
    torch.manual_seed(0)
    shape = {"n_positions": 40, "n_embd": 32, "n_layer": 2, "n_head": 2, "rotary_dim": 8}
    model = GPTJForCausalLM(GPTJConfig(vocab_size=50, bos_token_id=0, eos_token_id=0, initializer_range=0.3, **shape))
    rows = [[5, 6, 7, 8, 9] * 8, [9, 7, 5]]
    alone = torch.cat([logits[-3:-1] for logits in run_alone(model, rows)])
    assert torch.allclose(run_packed(model, rows, [2, 2]), alone, atol=1e-5)


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


@pytest.mark.parametrize("sharing", [1, 4])
@pytest.mark.parametrize("first", [0, 130, 299])
def test_attention_of_blocks_equals_torchs_where_it_is_wanted(first, sharing):
    torch.manual_seed(0)
    # three are filled up to 320 tokens and go together, two at most, as they have eight heads; one stays alone
    spans = [Span(0, 300, first), Span(300, 3), Span(303, 320, first), Span(623, 290, first)]
    heads = (8, 8 // sharing, 8 // sharing)
    inputs = [torch.randn(count, 943, 4, dtype=torch.float64, requires_grad=True) for count in heads]
    output = attend_in_blocks(*inputs, spans, 0.5)
    kept = [slice(span.start + span.first, span.start + span.length) for span in spans]
    expected = torch.cat([
        scaled_dot_product_attention(
            *(t[None, :, s.start : s.start + s.length] for t in inputs), is_causal=True, scale=0.5, enable_gqa=True
        )[0, :, s.first :]
        for s in spans
    ], 1)  # fmt: skip
    ours = torch.cat([output[part] for part in kept]).transpose(0, 1)
    assert torch.allclose(ours, expected, atol=1e-12)
    weights = torch.randn_like(expected)
    for mine, theirs in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, atol=1e-12)
    assert not output[913:].any()


def test_blocks_that_nobody_wants_are_left_out():
    assert block_attention._list_blocks([Span(0, 300)]) == [(0, 128), (128, 256), (256, 320)]
    assert block_attention._list_blocks([Span(0, 300, 256), Span(300, 310, 130)]) == [(128, 256), (256, 320)]


def test_heads_are_turned_where_attention_does_not_go_in_blocks(monkeypatch):
    model = build_tiny_model("llama", 50)
    expected = run_packed(model, ROWS, [2, 1, 3])
    monkeypatch.setattr("pipeline.training.packed_attention.goes_in_blocks", lambda *_: False)
    assert torch.allclose(run_packed(model, ROWS, [2, 1, 3]), expected, atol=1e-5)


@pytest.mark.parametrize("family", ["qwen3", "gemma"])
def test_models_like_llama_read_a_row_as_their_own_forward_pass_does(family, monkeypatch):
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"num_key_value_heads": 2, "head_dim": 8, "vocab_size": 50, "initializer_range": 0.3}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **shape)).eval().requires_grad_(False)
    expected = torch.cat([run_alone(model, ROWS)[i][-n - 1 : -1] for i, n in enumerate([2, 1, 3])])
    turned = []
    monkeypatch.setattr(Halves, "turn", lambda self, parts, turn=Halves.turn: turned.append(parts) or turn(self, parts))
    with fused(model):
        assert torch.allclose(run_packed(model, ROWS, [2, 1, 3]), expected, atol=1e-4)
    # once to find out, and queries and keys of two layers, of all examples at once
    assert len(turned) == 5
    before = sys.modules[type(model).__module__].apply_rotary_pos_emb
    assert before.__module__ == type(model).__module__


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
        batch = packing.read(build_row(ROWS, [2, 1, 3]))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**batch, use_cache=False).logits.float().log_softmax(-1).sum()
        loss.backward()
    assert all(weights.grad.isfinite().all() for weights in model.parameters())
