"""Shared by the tests: the environment, five-row frames, params and a tokenizer."""

import os
import signal

# before transformers is imported anywhere: no test may look for a hub
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    # workers share the cores; before torch is imported, and for the processes that tests start
    os.environ["OMP_NUM_THREADS"] = "1"

from typing import Any

import pandas as pd
import pytest
from builders import ROOT, dump_params
from ruamel.yaml import YAML

from pipeline.params.reading import Params, parse_params


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole graph takes half of the time, so one worker begins with it and leaves the rest to the other."""
    items.sort(key=lambda item: item.path.name != "test_graph.py")


@pytest.fixture(scope="session")
def shipped() -> dict[str, Any]:
    """The values of the shipped params.yaml, but for a smaller grid and no ranker: both cost every test that decodes."""
    values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text())
    values["rank"]["method"] = "none"
    values["decode"]["grid"] = {"greedy": {"no_repeat_ngram_size": [0, 3]}, "beam": {"num_beams": [4]}}
    return values


@pytest.fixture
def make_params(shipped, tmp_path):
    """Builds `Params` from the shipped file with some keys changed: `make_params(**{"lora.r": 8})`."""

    def make(**changes: Any) -> Params:
        return parse_params(dump_params(shipped, changes, tmp_path / "made.yaml"))

    return make


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
    from pipeline.models.tokenizer import build_bpe_tokenizer

    texts = [f"{i}일 서울에서 축제가 열렸다. 시민 {i}00명이 참여했다. 날씨가 맑았다." for i in range(30)]
    return build_bpe_tokenizer(texts, 400, 128)


@pytest.fixture
def model_folder(tokenizer, tmp_path):
    """A tiny GPT-J and its tokenizer on disk."""
    from builders import build_tiny_model

    from pipeline.models.base import save_model

    path = tmp_path / "gptj"
    save_model(build_tiny_model("gptj", len(tokenizer)), tokenizer, path)
    return path


def pytest_configure():
    """A shell's background job is deaf to Ctrl-C, and so is what it starts; the tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
