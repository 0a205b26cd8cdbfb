"""Gated feed-forward parts: as the model's own, forward and backward, and with little kept."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from pipeline.training.fused_feed_forward import build_feed_forward

ALL = ["gate_proj", "up_proj", "down_proj"]


def build(targets, dtype=torch.float32, dropout=0.0, **settings):
    """A feed-forward part with LoRA, whose update is not zero, on some layers; and its input."""
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=8, intermediate_size=24, num_attention_heads=2, **settings)
    part = LlamaMLP(config).to(dtype).requires_grad_(False)
    if targets:
        lora = LoraConfig(r=2, target_modules=targets, init_lora_weights=False, lora_dropout=dropout)
        part = get_peft_model(torch.nn.Sequential(part), lora).base_model.model[0]
    return part, torch.randn(2, 5, 8, dtype=dtype, requires_grad=True)


def compute(part, function, hidden):
    """Output, and the gradients of the input and of all factors."""
    tuned = [hidden, *(weights for weights in part.parameters() if weights.requires_grad)]
    output = function(hidden)
    wanted = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return [output.detach(), *torch.autograd.grad(output, tuned, wanted)]


@pytest.mark.parametrize("settings", [{}, {"hidden_act": "gelu", "mlp_bias": True}])
@pytest.mark.parametrize("targets", [[], ["up_proj"], ["gate_proj", "down_proj"], ALL])
def test_output_and_gradients_are_the_modules_own(targets, settings):
    part, hidden = build(targets, **settings)
    function = build_feed_forward(part)
    theirs, ours = (compute(part, f, hidden) for f in (part, function))
    assert len(ours) == 2 + 2 * len(targets)
    for mine, expected in zip(ours, theirs, strict=True):
        assert (mine - expected).norm() <= 1e-6 * expected.norm()


def test_in_half_precision_only_roundings_differ():
    part, hidden = build(ALL, torch.bfloat16)
    for mine, expected in zip(*(compute(part, f, hidden) for f in (build_feed_forward(part), part)), strict=True):
        assert (mine.float() - expected.float()).norm() <= 0.02 * expected.float().norm()


@pytest.mark.parametrize(("targets", "inners"), [([], 0), (ALL, 3)])
def test_kept_are_the_input_and_the_outputs_of_two_layers(targets, inners):
    part, hidden = build(targets)
    kept = {}
    owned = {weights.data_ptr() for weights in part.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t), lambda t: t):
        build_feed_forward(part)(hidden)
    sizes = sum(tensor.numel() for address, tensor in kept.items() if address not in owned)
    assert sizes == 10 * (8 + 24 + 24 + 2 * inners)


def test_what_cannot_be_fused_is_left():
    assert build_feed_forward(build(ALL, dropout=0.1)[0]) is None
    # a tanh is not quickly computed again
    assert build_feed_forward(build([], hidden_act="gelu_pytorch_tanh")[0]) is None
    assert build_feed_forward(build([])[0].requires_grad_()) is None
    assert build_feed_forward(torch.nn.Linear(8, 8)) is None


def test_a_part_that_computes_something_else_is_left():
    class Halved(LlamaMLP):
        def forward(self, x):
            return super().forward(x) / 2

    config = LlamaConfig(hidden_size=8, intermediate_size=24, num_attention_heads=2)
    assert build_feed_forward(Halved(config).requires_grad_(False)) is None


def test_an_update_that_is_switched_off_is_left_out():
    part, hidden = build(ALL)
    function = build_feed_forward(part)
    for name in ALL:
        getattr(part, name).enable_adapters(False)
    assert function(hidden).equal(part(hidden))
