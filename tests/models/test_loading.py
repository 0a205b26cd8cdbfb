"""Base, tokenizer and adapter: loaded one way, or refused by name."""

import json

import pytest
import torch
from builders import build_tiny_model

from pipeline.errors import InputError
from pipeline.models import loading
from pipeline.models.base import load_base, save_model
from pipeline.models.loading import load_model, select_precision


def test_model_of_our_own_loads_in_the_asked_precision(model_folder, make_params):
    params = make_params(**{"model.precision": "bf16"}).model
    model, tokenizer = load_model(load_base(model_folder), params, device="cpu")
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings


def test_folder_without_tokenizer_is_refused(model_folder, make_params):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model_folder / name).unlink()
    with pytest.raises(InputError, match="no tokenizer could be loaded"):
        load_model(load_base(model_folder), make_params().model, device="cpu")


def test_folder_without_weights_is_refused(model_folder, make_params):
    (model_folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="the folder has no weights"):
        load_model(load_base(model_folder), make_params().model, device="cpu")


def test_truncated_weights_are_refused(model_folder, make_params):
    weights = model_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="its weights cannot be loaded"):
        load_model(load_base(model_folder), make_params().model, device="cpu")


def test_pickled_weights_are_read_with_weights_only_or_not_at_all(model_folder, make_params):
    # a pickle can run code; torch must be asked for tensors alone
    class Evil:
        def __reduce__(self):
            return (open, (str(model_folder / "ran"), "w"))

    (model_folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Evil()}, model_folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="its weights cannot be loaded"):
        load_model(load_base(model_folder), make_params().model, device="cpu")
    assert not (model_folder / "ran").exists()


def test_tokenizer_larger_than_the_embedding_is_refused(tokenizer, tmp_path, make_params):
    save_model(build_tiny_model("gpt2", len(tokenizer) - 5), tokenizer, tmp_path / "m")
    with pytest.raises(InputError, match=r"tokens, but the model embeds only"):
        load_model(load_base(tmp_path / "m"), make_params().model, device="cpu")


def test_missing_adapter_is_refused(model_folder, make_params, tmp_path):
    with pytest.raises(InputError, match="holds no adapter; run the train stage first"):
        load_model(load_base(model_folder), make_params().model, tmp_path, device="cpu")


def test_generation_habits_of_a_models_author_do_not_leak(model_folder, make_params):
    path = model_folder / "generation_config.json"
    path.write_text(json.dumps({"num_beams": 5, "repetition_penalty": 1.3, "do_sample": True}))
    model, _ = load_model(load_base(model_folder), make_params().model, device="cpu")
    assert not model.generation_config.num_beams
    assert not model.generation_config.repetition_penalty
    assert model.generation_config.eos_token_id == 0


def test_precision_that_a_device_or_model_cannot_compute_is_refused():
    with pytest.raises(InputError, match="fp16 overflows in mt5"):
        select_precision("fp16", "cuda", "mt5")
    with pytest.raises(InputError, match="fp16 is for GPUs"):
        select_precision("fp16", "cpu", "gpt2")
    assert select_precision("auto", "cpu", "gpt2") in ("bf16", "fp32")
    assert select_precision("auto", "mps", "gpt2") == "fp32"


def test_quantization_without_bitsandbytes_is_refused(model_folder, make_params, monkeypatch):
    params = make_params(**{"model.quantization": "8bit"}).model
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"8bit needs bitsandbytes, .*pip install -e '\.\[quantization\]'"):
        load_model(load_base(model_folder), params, device="cpu")


def test_quantization_asks_bitsandbytes_for_what_its_authors_advise():
    from pipeline.models.loading import build_quantization

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: name)
        eight, four = build_quantization("8bit", torch.float16), build_quantization("4bit", torch.float16)
    assert eight.load_in_8bit
    assert (four.bnb_4bit_quant_type, four.bnb_4bit_use_double_quant) == ("nf4", True)
    assert four.bnb_4bit_compute_dtype == torch.float16


def test_device_map_spreads_a_model_that_is_the_same(model_folder, make_params):
    spread, _ = load_model(load_base(model_folder), make_params(**{"model.device_map": "auto"}).model)
    whole, _ = load_model(load_base(model_folder), make_params().model)
    ids = torch.tensor([[5, 6, 7]], device=whole.device)
    assert torch.allclose(spread(input_ids=ids).logits.float(), whole(input_ids=ids).logits.float(), atol=1e-3)


@pytest.mark.parametrize(("launched", "place"), [(False, "auto"), (True, {"": 3})])
def test_quantized_weights_of_a_process_stand_on_its_own_gpu(model_folder, make_params, monkeypatch, launched, place):
    from transformers import AutoModelForCausalLM

    given = {}
    monkeypatch.setattr(loading, "select_device", lambda: "cuda")
    monkeypatch.setattr(loading, "select_precision", lambda *args: "bf16")
    monkeypatch.setattr(loading, "build_quantization", lambda *args: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *args, **settings: given.update(settings) or 1 / 0
    )
    monkeypatch.setenv("LOCAL_RANK", "3") if launched else monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(ZeroDivisionError):
        load_model(load_base(model_folder), make_params(**{"model.quantization": "4bit"}).model)
    assert given["device_map"] == place


def test_code_that_makes_numbers_is_part_of_what_a_run_is_known_by(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "reporting").mkdir()
    (tmp_path / "training/tuning.py").write_text("rate = 1")
    before = loading.compute_code_digest(tmp_path)
    (tmp_path / "reporting/page.py").write_text("nothing is learnt here")
    assert loading.compute_code_digest.__wrapped__(tmp_path) == before
    (tmp_path / "training/tuning.py").write_text("rate = 2")
    assert loading.compute_code_digest.__wrapped__(tmp_path) != before
    assert loading.list_versions()["pipeline"] == loading.compute_code_digest(loading.PACKAGE)
