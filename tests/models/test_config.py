"""What a config says, or why it cannot be read."""

import pytest
from builders import build_tiny_model

from pipeline.errors import InputError
from pipeline.models.config import get_context_length, load_config, select_architecture


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "model.name: ./nowhere: no such folder"),
        ("nobody/nothing", "model.name: nobody/nothing: cannot be loaded"),
    ],
)
def test_unreachable_model_is_refused_by_name(name, message):
    with pytest.raises(InputError) as refusal:
        load_config(name, None, False)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_folder_without_config_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"the folder has no config\.json"):
        load_config(str(tmp_path), None, False)


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
def test_architecture_is_read_from_the_config(family):
    config = build_tiny_model(family, 50).config
    assert select_architecture(config, "auto") is (family in ("t5", "bart"))
    contradiction = "causal" if family in ("t5", "bart") else "encoder-decoder"
    with pytest.raises(InputError, match=f"model.architecture: {contradiction}, but the config"):
        select_architecture(config, contradiction)


def test_context_is_the_models_or_a_stated_bound():
    assert get_context_length(build_tiny_model("gptj", 50).config) == 128
    assert get_context_length(build_tiny_model("t5", 50).config) == 1024


def test_code_of_others_is_said_out_loud_once(model_folder, capsys):
    load_config(str(model_folder), None, False)
    assert capsys.readouterr().out == ""
    for _ in range(2):
        load_config(str(model_folder), None, True)
    assert capsys.readouterr().out == (
        f"trust_remote_code is on: Python code that comes with {model_folder} runs on this machine, as you\n"
    )
