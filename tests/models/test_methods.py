"""Every method on every family: it trains, is saved, is loaded, and decodes as it was trained."""

import pytest
import torch
from builders import build_recipe, build_tiny_model, pad
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from transformers.integrations.bitsandbytes import dequantize_bnb_weight

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.grid import decode_grid
from pipeline.errors import InputError
from pipeline.models.adapter import load_method, save_adapter
from pipeline.models.base import load_base, save_model
from pipeline.models.loading import load_model, load_prompt_builder
from pipeline.models.methods import attach_method, count_parameters, get_virtual_tokens
from pipeline.params.grid import Configuration
from pipeline.training.batches import build_features
from pipeline.training.objectives import build_objective
from pipeline.training.recipe import get_tunable_params
from pipeline.training.tuning import tune

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]
# of the five rows' texts; the last stands in none
MARKS = ["서울", "축제", "#Person1#"]
TINY = {
    "model.precision": "fp32", "train.num_train_epochs": 2, "train.warmup_steps": 0, "prompt.max_summary_tokens": 24,
    "decode.max_new_tokens": 24, "lora.r": 4, "prompt_tuning.num_virtual_tokens": 5,
}  # fmt: skip
GREEDY = [Configuration("greedy", {"max_new_tokens": 8}), Configuration("beam", {"max_new_tokens": 8, "num_beams": 2})]


@pytest.fixture
def tune_tiny(tokenizer, five_rows, make_params, tmp_path):
    """Tunes a tiny model, saves it, loads it again: `(trained model, loaded model, builder, collator, metrics)`."""

    def run(family, width=32, **changes):
        params = make_params(**{**TINY, **changes})
        bare = build_tiny_model(family, len(tokenizer), width)
        for name, weight in bare.named_parameters():
            if name.endswith(".q.weight"):
                # T5 does not scale its scores: random ones come to hundreds, and a merge's rounding is magnified
                weight.data *= 0.05
        save_model(bare, tokenizer, tmp_path / "base")
        base = load_base(tmp_path / "base")
        virtual = get_virtual_tokens(params.train.method, params.prompt_tuning)
        tokens = params.model.special_tokens
        builder = load_prompt_builder(base, params.model, params.prompt, "head").reserve(virtual)
        builder = builder.add_special_tokens(tokens)
        builder = builder.select_shots(five_rows, 1)
        model, grown = load_model(base, get_tunable_params(build_recipe(params)), device="cpu", special_tokens=tokens)
        objective = build_objective(params.train, params.model, tokenizer, {})
        examples = {"train": five_rows, "valid": five_rows}
        trainer, metrics, _ = tune(model, builder, examples, build_recipe(params), objective, tmp_path / "checkpoints")
        adapter = tmp_path / "adapter"
        adapter.mkdir()
        save_adapter(params.train.method, trainer.model, grown, adapter, tokens)
        loaded, _ = load_model(base, params.model, adapter, device="cpu")
        assert load_method(adapter)["virtual_tokens"] == virtual
        return trainer.model.eval(), loaded, builder, pad(trainer.data_collator), metrics

    return run


CASES = [
    *((family, {"train.method": "lora", "lora.target_modules": "auto"}) for family in FAMILIES),
    *((family, {"train.method": "prompt_tuning"}) for family in ("llama", "t5")),
    *((family, {"train.method": "prefix_tuning"}) for family in ("gpt2", "bart")),
    *((family, {"train.method": "full"}) for family in ("gptj", "bart")),
    ("llama", {"train.method": "none"}),
    ("gptj", {"train.method": "lora", "model.special_tokens": MARKS}),
    ("bart", {"train.method": "full", "model.special_tokens": MARKS}),
]


# of each method one family runs every day, and of LoRA one of each kind
SELDOM = [*CASES[:2], CASES[6], CASES[7], CASES[9], CASES[12]]


@pytest.mark.parametrize(
    ("family", "changes"),
    [pytest.param(*case, marks=pytest.mark.slow) if case in SELDOM else case for case in CASES],
    ids=[f"{f}-{'-'.join(map(str, c.values()))}" for f, c in CASES],
)
def test_what_was_trained_is_what_decodes(family, changes, tune_tiny, five_rows):
    trained, loaded, builder, collator, metrics = tune_tiny(family, **changes)
    assert (metrics["trainable_parameters"] == 0) == (changes["train.method"] == "none")
    batch = collator(build_features(five_rows, builder))
    del batch["labels"]
    with torch.no_grad():
        # a merge rounds once more; logits of these random models spread over tens
        assert torch.allclose(trained(**batch).logits, loaded(**batch).logits, atol=1e-2)
    prompts = [prompt.input_ids[i:] for i, prompt in enumerate(builder.build_prompts(list(five_rows["text"])))]
    reader = builder.tokenizer
    together, _ = decode_grid(Decoder(loaded, reader, 5, 0), list(five_rows["id"]), prompts, GREEDY)
    alone, _ = decode_grid(Decoder(loaded, reader, 1, 0), list(five_rows["id"]), prompts, GREEDY)
    # soft prompts and padding between them and the document would be another prompt
    assert together.equals(alone)


@pytest.mark.parametrize(
    "changes",
    [
        {"lora.use_rslora": True, "lora.use_dora": True},
        {"lora.init_lora_weights": "pissa"},
        # of ways to begin one runs every day
        *(
            pytest.param({"lora.init_lora_weights": way}, marks=pytest.mark.slow)
            for way in ("olora", "orthogonal", "gaussian")
        ),
        {"prompt.shots": 1},
        {"train.gradient_checkpointing": True},
        {"train.method": "prompt_tuning", "prompt_tuning.prompt_tuning_init_text": "한 줄로 요약하라"},
        {"train.method": "prefix_tuning", "prompt_tuning.prefix_projection": True},
    ],
    ids=lambda changes: "-".join(f"{key.split('.')[1]}:{value}" for key, value in changes.items()),
)
def test_option_survives_saving_and_loading(changes, tune_tiny, five_rows):
    trained, loaded, builder, collator, _ = tune_tiny("llama", **changes)
    batch = collator(build_features(five_rows, builder))
    del batch["labels"]
    with torch.no_grad():
        assert torch.allclose(trained(**batch).logits, loaded(**batch).logits, atol=1e-2)


@pytest.mark.slow  # bitsandbytes is an extra: pip install -e '.[quantization]'
@pytest.mark.parametrize("bits", ["8bit", "4bit"])
@pytest.mark.parametrize("family", ["llama", "gptj"])
def test_quantized_weights_are_tuned_through_and_decode(family, bits, tune_tiny, tokenizer, five_rows):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    changes = {"train.method": "lora", "lora.target_modules": "auto"}
    # bitsandbytes packs rows of 64
    trained, loaded, builder, collator, metrics = tune_tiny(family, 64, **changes, **{"model.quantization": bits})
    plain = build_tiny_model(family, len(tokenizer), 64)
    assert metrics["parameters"] == plain.num_parameters() + metrics["trainable_parameters"]
    batch = collator(build_features(five_rows, builder))
    del batch["labels"]
    # the oracle: the same adapter on the same weights, no longer quantized
    plain = PeftModel(plain, trained.peft_config["default"])
    set_peft_model_state_dict(plain, get_peft_model_state_dict(trained))
    for name, layer in trained.named_modules():
        if isinstance(layer, (bitsandbytes.nn.Linear8bitLt, bitsandbytes.nn.Linear4bit)):
            weight = dequantize_bnb_weight(layer.weight, layer.state if bits == "8bit" else None)
            plain.get_submodule(name).weight.data = weight.float()
    gradients = []
    for model in (trained, plain):
        logits = model(**batch).logits.float()
        logits.log_softmax(-1)[..., 5].mean().backward()
        gradients.append(torch.cat([p.grad.flatten().float() for n, p in model.named_parameters() if "lora_B" in n]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.95
    with torch.no_grad():
        ours, theirs = trained(**batch).logits.float(), loaded(**batch).logits.float()
    assert (ours - theirs).abs().max() < 0.2 * ours.abs().max()
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(five_rows["text"]))]
    candidates, _ = decode_grid(Decoder(loaded, tokenizer, 5, 0), list(five_rows["id"]), prompts, GREEDY)
    assert len(candidates) == 10


def test_prompt_begins_at_the_embeddings_of_its_text(tokenizer, make_params):
    params = make_params(**TINY, **{"prompt_tuning.prompt_tuning_init_text": "서울"})
    model = build_tiny_model("gpt2", len(tokenizer))
    adapted = attach_method(model, "prompt_tuning", params.lora, params.prompt_tuning, tokenizer, 1)
    ids = tokenizer("서울")["input_ids"]
    begun = adapted.prompt_encoder["default"].embedding.weight
    assert begun[0].equal(model.get_input_embeddings().weight[ids[0]])
    assert count_parameters(adapted)[0] == begun.numel()


def test_unknown_target_module_is_refused_by_key(tokenizer, make_params):
    params = make_params(**{"lora.target_modules": ["no_such_proj"]})
    with pytest.raises(InputError, match=r"lora\.target_modules: \['no_such_proj'\]"):
        attach_method(build_tiny_model("gpt2", 50), "lora", params.lora, params.prompt_tuning, tokenizer, 1)


def test_olora_on_gpt2_is_refused(tokenizer, make_params):
    params = make_params(**{"lora.init_lora_weights": "olora"})
    with pytest.raises(InputError, match=r"lora\.init_lora_weights: olora cannot begin at GPT-2's Conv1D"):
        attach_method(build_tiny_model("gpt2", 50), "lora", params.lora, params.prompt_tuning, tokenizer, 1)
