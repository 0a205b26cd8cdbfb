"""Packed rows of encoder-decoders: each example gets what it would alone, and gradients to match."""

import pytest
import torch
from builders import build_tiny_model
from torch.nn.functional import scaled_dot_product_attention

from pipeline.training.example_attention import Scores, attend_in_examples
from pipeline.training.packed_model import find_obstacle, packed
from pipeline.training.packing import build_rows

FAMILIES = ["t5", "bart"]
SOURCES = [[5, 6, 7, 8, 9, 3], [7, 8], [9, 8, 7, 6, 5, 4, 3, 2, 9, 8, 7]]
TARGETS = [[1, 7, 6], [1, 8, 9, 9, 5], [1]]


def run_alone(model):
    """The oracle: each example in a batch of its own."""
    pairs = [[torch.tensor([row]) for row in pair] for pair in zip(SOURCES, TARGETS, strict=True)]
    return torch.cat([model(input_ids=source, decoder_input_ids=target).logits[0] for source, target in pairs])


def run_packed(model):
    with packed(model) as packing:
        batch = packing.read(build_rows(SOURCES, TARGETS))
        return model(**batch, use_cache=False).logits[0, : sum(map(len, TARGETS))]


# a bias that is tuned is torch's to follow back
@pytest.mark.parametrize("is_frozen", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_logits_and_gradients_are_those_of_each_example_alone(family, is_frozen):
    # in fp32 this T5, which does not scale its attention, makes a thousandth of a rounding
    model = build_tiny_model(family, 50).double()
    for name, weights in model.named_parameters():
        weights.requires_grad_(not (is_frozen and "relative_attention_bias" in name))
    found = []
    for logits in (run_packed(model), run_alone(model)):
        model.zero_grad()
        logits.log_softmax(-1)[:, 3].sum().backward()
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        found[-1]["logits"] = logits.detach()
    ours, oracle = found
    assert ours.keys() == oracle.keys()
    for name, value in oracle.items():
        # a key's bias has none but for rounding
        assert (ours[name] - value).norm() <= 1e-6 * value.norm() + 1e-9, name


@pytest.mark.parametrize("family", FAMILIES)
def test_what_fills_a_row_up_may_be_longer_than_the_context(family, monkeypatch):
    model = build_tiny_model(family, 50)
    expected = run_alone(model)
    monkeypatch.setattr("pipeline.training.packing.TOKENS", 1024)
    assert torch.allclose(run_packed(model), expected, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_reads_padded_batches_as_ever_inside_and_outside_the_block(family):
    model = build_tiny_model(family, 50)
    ids, mask = torch.tensor([[5, 6, 1, 1], [7, 8, 9, 5]]), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    batch = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": torch.tensor([[1, 4, 6], [1, 3, 3]])}
    before = model(**batch).logits
    with packed(model):
        assert torch.allclose(model(**batch).logits, before, atol=1e-5)
        model.generate(ids, attention_mask=mask, max_new_tokens=2)
    assert model(**batch).logits.equal(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_falls_on_attention_in_training_alone(family):
    model = build_tiny_model(family, 50)
    for module in model.modules():
        if hasattr(module, "layer_idx"):
            module.dropout = 0.5
        elif isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    quiet = run_packed(model)
    assert torch.allclose(quiet, run_packed(model))
    for module in model.modules():
        module.training = hasattr(module, "layer_idx")
    assert not torch.allclose(quiet, run_packed(model), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_that_the_presets_name_can_be_packed(family, dtype):
    assert find_obstacle(build_tiny_model(family, 400).to(dtype)) is None


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_model_whose_positions_cannot_be_set_is_not_packed(part, monkeypatch):
    model = build_tiny_model("bart", 400)
    positions = getattr(model.model, part).embed_positions
    forward = positions.forward
    monkeypatch.setattr(positions, "forward", lambda ids, past=0, **settings: forward(ids, past))
    assert "a packed row's logits differ" in find_obstacle(model)


def test_distances_are_those_of_the_longest_example():
    model, seen = build_tiny_model("t5", 50), []
    layer = model.encoder.block[0].layer[0].SelfAttention
    compute = layer.compute_bias
    layer.compute_bias = lambda *lengths, **settings: seen.append(lengths) or compute(*lengths, **settings)
    run_packed(model)
    assert seen == [(11, 11)]


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("is_biased", [True, False])
def test_attention_of_examples_equals_torchs(is_biased, is_causal):
    torch.manual_seed(0)
    # more than a block, and filled up or not
    lengths = [(300, 300), (3, 3), (32, 32)] if is_causal or is_biased else [(140, 300), (3, 70), (32, 1)]
    rows = [sum(column) + 7 for column in zip(*lengths, strict=True)]
    inputs = [torch.randn(2, rows[i], 4, dtype=torch.float64, requires_grad=True) for i in (0, 1, 1)]
    bias = torch.randn(2, 300, 300, dtype=torch.float64) if is_biased else None
    ours = attend_in_examples(*inputs, lengths, Scores(0.7, bias, is_causal))
    outputs, start, first = [], 0, 0
    for queries, keys in lengths:
        places = [slice(start, start + queries), *[slice(first, first + keys)] * 2]
        mask = torch.zeros(queries, keys, dtype=torch.float64) if bias is None else bias[:, :queries, :keys]
        mask = mask.masked_fill(torch.ones(queries, keys).triu(1).bool(), float("-inf")) if is_causal else mask
        parts = [tensor[:, place] for tensor, place in zip(inputs, places, strict=True)]
        outputs.append(scaled_dot_product_attention(*parts, attn_mask=mask, scale=0.7))
        start, first = start + queries, first + keys
    expected = torch.cat(outputs, 1).transpose(0, 1)
    assert torch.allclose(ours[:-7], expected, atol=1e-12)
    assert not ours[-7:].any()
    wanted = torch.randn_like(expected)
    for mine, theirs in zip(
        torch.autograd.grad((ours[:-7] * wanted).sum(), inputs),
        torch.autograd.grad((expected * wanted).sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, atol=1e-12)
