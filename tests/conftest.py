"""Shared by the tests: five-row frames, tiny random models, and a competition in a temporary folder."""

import os

# before transformers is imported anywhere: no test may look for a hub
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    # workers share the cores; before torch is imported, and for the processes that tests start
    os.environ["OMP_NUM_THREADS"] = "1"

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline.params import Params, parse_params

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole graph takes half of the time, so one worker begins with it and leaves the rest to the other."""
    items.sort(key=lambda item: item.path.name != "test_graph.py")


@pytest.fixture(scope="session")
def shipped() -> dict[str, Any]:
    """The values of the shipped params.yaml."""
    return YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())


@pytest.fixture
def make_params(shipped, tmp_path):
    """Builds `Params` from the shipped file with some keys changed: `make_params(**{"lora.r": 8})`."""

    def make(**changes: Any) -> Params:
        return parse_params(dump_params(shipped, changes, tmp_path / "made.yaml"))

    return make


def dump_params(values: dict[str, Any], changes: dict[str, Any], path: Path) -> str:
    """Writes params with changes by dotted key and returns the text."""
    values = copy.deepcopy(values)
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[last] = value
    with path.open("w") as file:
        YAML().dump(values, file)
    return path.read_text()


def build_recipe(params: Params):
    """The sections that shape a tuned model."""
    from pipeline.train import Recipe

    return Recipe(params.seed, params.model, params.lora, params.prompt_tuning, params.train)


@pytest.fixture
def five_rows() -> pd.DataFrame:
    """Five examples with one summary each."""
    texts = [f"{i}일 서울에서 축제가 열렸다. 시민 {i}00명이 참여했다. 날씨가 맑았다." for i in range(1, 6)]
    return pd.DataFrame(
        {
            "id": [f"a{i}" for i in range(1, 6)],
            "text": texts,
            "summaries": [[f"서울 축제에 시민 {i}00명이 참여했다."] for i in range(1, 6)],
        }
    )


@pytest.fixture(scope="session")
def tokenizer():
    """A small byte-level BPE tokenizer that has seen a little Korean."""
    from pipeline.tokenization import build_bpe_tokenizer

    texts = [f"{i}일 서울에서 축제가 열렸다. 시민 {i}00명이 참여했다. 날씨가 맑았다." for i in range(30)]
    return build_bpe_tokenizer(texts, 400, 128)


def build_tiny_model(family: str, vocab_size: int, width: int = 32, **settings: Any):
    """A random two-layer model of a family, with fixed weights; spread wide so that tokens do not tie."""
    import torch
    from transformers import (
        BartConfig,
        BartForConditionalGeneration,
        GPT2Config,
        GPT2LMHeadModel,
        GPTJConfig,
        GPTJForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        T5Config,
        T5ForConditionalGeneration,
    )

    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    std = {"initializer_range": 0.3}
    gpt = {"vocab_size": vocab_size, "n_positions": 128, "n_embd": width, "n_layer": 2, "n_head": 2}
    llama = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 4}
    bart = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2}
    bart |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "init_std": 0.3}
    models = {
        "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**gpt, **ends, **std, **settings)),
        "gptj": lambda: GPTJForCausalLM(GPTJConfig(**gpt, rotary_dim=16, **ends, **std, **settings)),
        "llama": lambda: LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab_size, num_key_value_heads=2, max_position_embeddings=128, **llama, **ends, **std
            )
        ),
        "t5": lambda: T5ForConditionalGeneration(
            T5Config(
                vocab_size=vocab_size,
                d_model=32,
                d_kv=16,
                d_ff=64,
                num_layers=2,
                num_heads=2,
                eos_token_id=0,
                pad_token_id=1,
                decoder_start_token_id=1,
                initializer_factor=3.0,
            )
        ),
        "bart": lambda: BartForConditionalGeneration(
            BartConfig(
                vocab_size=vocab_size,
                max_position_embeddings=128,
                decoder_start_token_id=0,
                forced_eos_token_id=None,
                **bart,
                **ends,
            )
        ),
    }
    return models[family]().eval()


def pad(collator):
    """The collator with padding, for a model that is no longer told how a row is packed."""
    return replace(collator, layout="left") if collator.layout == "packed" else collator
