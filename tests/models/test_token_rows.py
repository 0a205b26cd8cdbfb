"""Trained rows of special tokens: the loss and the gradients are those of the whole matrix, of which they are a part."""

import copy
from contextlib import nullcontext

import pytest
import torch
from builders import build_tiny_model, pad
from peft import PeftModel
from safetensors.torch import load_file

from pipeline.errors import InputError
from pipeline.models.adapter import apply_adapter, load_trainable_adapter
from pipeline.models.methods import attach_method
from pipeline.models.prompts import PromptBuilder
from pipeline.models.special_tokens import NEW_ROWS, grow_embeddings
from pipeline.models.token_rows import TokenRows
from pipeline.training.batches import build_collator, build_features
from pipeline.training.cross_entropy import sum_cross_entropy
from pipeline.training.fused import fused, is_fused
from pipeline.training.packed_model import packed
from pipeline.training.packing import Packing
from pipeline.training.trainer import select_labelled

# of the five rows' texts, so that they stand in prompts and summaries
MARKS = ("서울", "축제", "#Person1#")
FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]


@pytest.fixture
def build(tokenizer, five_rows, make_params):
    """A grown model, the same with LoRA and trained rows, its collator and features."""

    def make(family, precision=torch.float32):
        params = make_params(**{"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 8, "lora.r": 2})
        model = build_tiny_model(family, len(tokenizer))
        if family == "gptj":
            # a fresh one is zero
            torch.nn.init.normal_(model.lm_head.bias)
        for name, weight in model.named_parameters():
            if name.endswith(".q.weight"):
                # T5 does not scale its scores: random ones come to hundreds, and rounding is magnified
                weight.data *= 0.05
        is_encoder_decoder = model.config.is_encoder_decoder
        builder = PromptBuilder(tokenizer, params.prompt, "head", 128, is_encoder_decoder).add_special_tokens(MARKS)
        grow_embeddings(model, tokenizer, builder.tokenizer, MARKS)
        collator = build_collator(model.to(precision), tokenizer.pad_token_id, False)
        adapted = copy.deepcopy(model)
        adapted = attach_method(adapted, "lora", params.lora, params.prompt_tuning, builder.tokenizer, 1)
        return model, adapted, collator, build_features(five_rows, builder)

    return make


def compute_loss(model, batch, packing):
    given = packing.read({name: value for name, value in batch.items() if name != "labels"})
    return sum_cross_entropy(*select_labelled(model(**given, use_cache=False).logits, batch))


def get_rows(adapted):
    """The trained rows by module, tied ones once."""
    return {n.split(".token_adapter")[0]: p for n, p in adapted.named_parameters() if "trainable_tokens_delta" in n}


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_the_whole_matrix(family, build):
    model, adapted, collator, features = build(family)
    assert is_fused(adapted)
    rows = getattr(model, NEW_ROWS)
    batch = pad(collator)(features)
    expected = compute_loss(model, batch, Packing())
    expected.backward()
    reading = packed(adapted) if collator.layout == "packed" else nullcontext(Packing())
    with fused(adapted), reading as packing:
        loss = compute_loss(adapted, collator(features), packing)
        loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    trained = get_rows(adapted)
    assert len(trained) == (1 if model.config.tie_word_embeddings else 2)
    for name, own in trained.items():
        whole = model.get_submodule(name.removeprefix("base_model.model.")).weight.grad[rows]
        assert torch.allclose(own.grad, whole, atol=1e-4, rtol=1e-4)
        assert own.grad.abs().sum(1).ne(0).tolist()[:2] == [True, True]
    assert {n for n, p in adapted.named_parameters() if p.grad is not None and "lora" not in n} == {
        f"{name}.token_adapter.trainable_tokens_delta.default" for name in trained
    }


@pytest.mark.parametrize(("family", "target"), [("gpt2", "lm_head"), ("llama", "embed_tokens"), ("t5", "shared")])
def test_layers_with_trained_rows_are_no_targets_of_lora(family, target, tokenizer, make_params):
    params = make_params(**{"lora.target_modules": [target, "q"]})
    model = build_tiny_model(family, len(tokenizer))
    setattr(model, NEW_ROWS, [3])
    with pytest.raises(
        InputError, match=rf"^lora\.target_modules: {target}: has rows that model\.special_tokens train"
    ):
        attach_method(model, "lora", params.lora, params.prompt_tuning, tokenizer, 1)


@pytest.mark.parametrize("family", ["gptj", "bart"])
def test_halves_are_computed_in_their_precision_and_learnt_in_full(family, build):
    model, adapted, collator, features = build(family, torch.bfloat16)
    assert is_fused(adapted)
    assert {rows.dtype for rows in get_rows(adapted).values()} == {torch.float32}
    batch = pad(collator)(features)
    with fused(adapted):
        loss = compute_loss(adapted, batch, Packing())
        loss.backward()
    assert loss.item() == pytest.approx(compute_loss(model, batch, Packing()).item(), rel=0.02)
    assert {rows.grad.dtype for rows in get_rows(adapted).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("family", "quantization"), [*((family, None) for family in FAMILIES), ("gptj", "8bit"), ("bart", "4bit")]
)
def test_saved_rows_are_few_and_are_written_into_the_model_that_decodes(
    family, quantization, build, make_params, tmp_path
):
    model, adapted, collator, features = build(family)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name)))
    # a base whose vocabulary has another size makes peft save all of it, were it not told better
    adapted.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    build_tiny_model(family, 50).config.save_pretrained(tmp_path / "base")
    adapted.save_pretrained(tmp_path / "adapter")
    kept = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert sum(t.numel() for t in kept.values()) == sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    loaded = apply_adapter(
        copy.deepcopy(model), tmp_path / "adapter", make_params(**{"model.quantization": quantization}).model
    )
    assert isinstance(loaded, PeftModel) == (quantization is not None)
    assert not any(isinstance(module, TokenRows) or hasattr(module, "token_adapter") for module in loaded.modules())
    batch = {name: value for name, value in pad(collator)(features).items() if name != "labels"}
    if quantization is None:
        again = load_trainable_adapter(copy.deepcopy(model), tmp_path / "adapter")
        assert {p.shape for p in get_rows(again).values() if p.requires_grad} == {
            p.shape for p in get_rows(adapted).values()
        }
        assert is_fused(again)
        with torch.no_grad():
            assert torch.allclose(again.eval()(**batch).logits, adapted(**batch).logits, atol=1e-5)
        again.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
        again.save_pretrained(tmp_path / "again")
        assert load_file(tmp_path / "again" / "adapter_model.safetensors").keys() == kept.keys()
    with torch.no_grad():
        assert torch.allclose(loaded(**batch).logits, adapted(**batch).logits, atol=1e-2)
        assert not torch.allclose(loaded(**batch).logits, model(**batch).logits, atol=1e-1)
        with adapted.disable_adapter():
            assert torch.allclose(adapted(**batch).logits, model(**batch).logits, atol=1e-4)
