"""The mean of several models' weights."""

import pytest
import torch
from builders import build_tiny_model
from peft import LoraConfig, get_peft_model

from pipeline.errors import InputError
from pipeline.history.soup import average_weights


def build_merged(seed):
    """A base with an adapter merged, and what the adapter adds to a weight."""
    torch.manual_seed(seed)
    model = get_peft_model(
        build_tiny_model("gpt2", 60), LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    )
    layer = model.base_model.model.transformer.h[0].attn.c_attn
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    return model, layer.get_delta_weight("default").clone()


def test_adapters_are_averaged_as_what_they_add():
    base = build_tiny_model("gpt2", 60).transformer.h[0].attn.c_attn.weight
    models, deltas = zip(*(build_merged(seed) for seed in range(3)), strict=True)
    soup = average_weights((str(n), model.merge_and_unload()) for n, model in enumerate(models))
    torch.testing.assert_close(soup.transformer.h[0].attn.c_attn.weight, base + torch.stack(deltas).mean(0))
    # tied weights are one weight
    assert soup.lm_head.weight is soup.transformer.wte.weight


def test_mean_is_taken_in_fp32():
    models = [build_tiny_model("gpt2", 60).bfloat16() for _ in range(4)]
    with torch.no_grad():
        for number, model in enumerate(models):
            # in bf16 the sum of these would lose the small ones
            model.transformer.ln_f.weight.fill_(256.0 if number == 0 else 1.0)
    soup = average_weights((str(n), model) for n, model in enumerate(models))
    assert soup.transformer.ln_f.weight.dtype == torch.bfloat16
    assert float(soup.transformer.ln_f.weight[0].detach()) == float(torch.tensor(259 / 4).bfloat16())


def test_models_of_other_shapes_are_refused_by_name():
    models = {"one": build_tiny_model("gpt2", 60), "two": build_tiny_model("gpt2", 62)}
    with pytest.raises(InputError, match="two: its weights are of other shapes"):
        average_weights(models.items())
