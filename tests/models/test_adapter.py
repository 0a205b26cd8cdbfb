"""What an adapter folder holds."""

import json

import pytest
from builders import build_tiny_model

from pipeline.errors import InputError
from pipeline.models.adapter import load_method, save_adapter


def test_folder_without_adapter_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no adapter; run the train stage first"):
        load_method(tmp_path)


def test_equal_adapters_are_equal_files(tokenizer, tmp_path):
    from peft import LoraConfig, get_peft_model

    # a set of many has another order in every process
    model = get_peft_model(build_tiny_model("llama", 300), LoraConfig(r=2, target_modules="all-linear"))
    save_adapter("lora", model, tokenizer, tmp_path)
    modules = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert len(modules) > 5
    assert modules == sorted(modules)
