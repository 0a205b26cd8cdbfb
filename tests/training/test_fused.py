"""Fused training functions: each equals the plain one, forward and backward."""

import pytest
import torch
from builders import build_tiny_model
from peft import LoraConfig, get_peft_model
from transformers.activations import GELUActivation

from pipeline.training.fused import fused, is_fused

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]


def build(family, **options):
    """A tiny model with LoRA on every linear layer, its update not zero, its input's gradient wanted."""
    model = build_tiny_model(family, 60)
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    config = LoraConfig(task_type=kind, r=4, target_modules="all-linear", init_lora_weights=False, **options)
    return get_peft_model(model, config)


def compute(model, seed=0):
    """Loss and gradients of a step."""
    torch.manual_seed(seed)
    ids = torch.randint(5, 50, (2, 7))
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return {"loss": loss.detach()} | {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("options", [{}, {"use_rslora": True, "lora_dropout": 0.3}])
@pytest.mark.parametrize("family", FAMILIES)
def test_fused_parts_equal_those_of_peft_and_transformers(family, options):
    model = build(family, **options).train()
    plain = compute(model)
    with fused(model):
        ours = compute(model)
        assert is_fused(model)
    assert ours.keys() == plain.keys()
    # a rounding of a norm's weights moves gradients of this T5, which does not scale its attention, by 3e-4
    tolerance = 1e-3 if family == "t5" else 1e-4
    for name, value in plain.items():
        assert (ours[name] - value).norm() <= tolerance * value.norm(), name
    again = compute(model)
    assert all(again[name].equal(value) for name, value in plain.items())


def test_fused_layers_are_those_that_can_be():
    model = build("llama", use_dora=True).train()
    plain = compute(model)
    assert not is_fused(model)
    with fused(model):
        ours = compute(model)
    assert all(torch.allclose(ours[name], value, rtol=1e-4, atol=1e-4) for name, value in plain.items())


def test_adapter_that_is_switched_off_stays_off():
    model = build("gpt2").eval()
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), model.disable_adapter():
        bare = model(input_ids=ids).logits
        with fused(model):
            assert torch.allclose(model(input_ids=ids).logits, bare, atol=1e-5)


def test_a_fused_layer_keeps_its_input_once_and_in_the_models_precision():
    model = build("llama").to(torch.bfloat16)
    layer = next(m for m in model.modules() if type(m).__name__ == "Linear" and hasattr(m, "lora_A"))
    for weights in (*layer.lora_A.parameters(), *layer.lora_B.parameters()):
        weights.data = weights.data.float()
    hidden = torch.randn(3, layer.in_features, dtype=torch.bfloat16, requires_grad=True)
    kept = []
    with fused(model), torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(hidden).sum().backward()
    inputs = [tensor for tensor in kept if tensor.shape == hidden.shape]
    assert [tensor.dtype for tensor in inputs] == [torch.bfloat16]
    assert layer.lora_A["default"].weight.grad.dtype == torch.float32


@pytest.mark.parametrize("lora_dropout", [0.0, 0.3])
def test_the_output_of_a_gelu_is_computed_again_instead_of_kept(lora_dropout):
    model = build("gptj", lora_dropout=lora_dropout).train()
    for block in model.base_model.model.transformer.h:
        block.mlp.act = GELUActivation()
    plain = compute(model)
    kept = set()

    def remember(tensor):
        # 2 x 7 tokens between the linear layers
        if tensor.is_floating_point() and tensor.numel() == 14 * 4 * model.config.n_embd:
            kept.add(tensor.data_ptr())
        return tensor

    with fused(model):
        ours = compute(model)
        for name, value in plain.items():
            assert torch.allclose(ours[name], value, rtol=1e-4, atol=1e-4), name
        with torch.autograd.graph.saved_tensors_hooks(remember, lambda t: t):
            compute(model)
    # the GELU keeps its input, and the next layer shares that unless dropout stands between
    assert (len(kept) == model.config.n_layer) == (lora_dropout == 0)
