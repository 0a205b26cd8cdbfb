"""What tests build: params files, recipes, tiny random models."""

import copy
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from pipeline.params.reading import Params

ROOT = Path(__file__).parent.parent
FIVE = "".join(f"t{i},{i}일 서울에서 축제가 열렸다. 시민 {i}00명이 왔다.,축제에 {i}00명이 왔다.\n" for i in range(1, 6))
TRAIN = "id,text,summary\n" + FIVE
TEST = "id,text\nx1,6일 부산에서 축제가 열렸다.\nx2,7일 부산에서 축제가 열렸다.\n"
SAMPLE = "id,summary\nx2,\nx1,\n"
# of a training that takes a second
TINY = {"model.precision": "fp32", "train.warmup_steps": 0, "lora.r": 4, "train.per_device_train_batch_size": 2}


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


def build_rows(*scores, names="abcdefghijklm"):
    """Rows of a ledger: (validation, public) by name."""
    from pipeline.history.ledger import COLUMNS

    empty = dict.fromkeys(COLUMNS, "")
    return [
        empty | {"name": name, "sha256": name * 8, "validation": str(validation), "public": str(public)}
        for name, (validation, public) in zip(names, scores, strict=False)
    ]


def build_recipe(params: Params):
    """The sections that shape a tuned model."""
    from pipeline.training.recipe import Recipe

    return Recipe(params.train.select_seed(params.seed), params.model, params.lora, params.prompt_tuning, params.train)


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
    padded = "left" if collator.decoder_start_token_id is None else "encoder-decoder"
    return replace(collator, layout=padded) if collator.layout == "packed" else collator


def build_batch(family, tokenizer, five_rows, params, is_prompt_tuned=False):
    """A model, its collator, and ragged features."""
    from pipeline.models.prompts import PromptBuilder
    from pipeline.training.batches import build_collator, build_features

    model = build_tiny_model(family, len(tokenizer))
    prompt = params.prompt.model_copy(update={"max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, prompt, "head", 128, model.config.is_encoder_decoder)
    features = [{**f, "input_ids": f["input_ids"][i:]} for i, f in enumerate(build_features(five_rows, builder))]
    return model, build_collator(model, tokenizer.pad_token_id, is_prompt_tuned), features


def tune_tiny(family, tokenizer, five_rows, params, folder, objective=None, on_log=None):
    """Tunes a tiny model on five rows; the trainer, metrics and history."""
    from pipeline.models.prompts import PromptBuilder
    from pipeline.training.objectives import Objective
    from pipeline.training.tuning import tune

    model = build_tiny_model(family, len(tokenizer))
    prompt = params.prompt.model_copy(update={"max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, prompt, "head", 128, model.config.is_encoder_decoder)
    recipe = replace(build_recipe(params), on_log=on_log)
    return tune(model, builder, {"train": five_rows, "valid": five_rows}, recipe, objective or Objective(), folder)


def build_competition(shipped: dict[str, Any], folder: Path):
    """Five training rows, two test rows, and tiny params, in a folder that is the current one; a command runner."""
    from typer.testing import CliRunner

    from pipeline.cli.app import app

    for name, content in (("train", TRAIN), ("test", TEST), ("sample_submission", SAMPLE)):
        (folder / f"{name}.csv").write_text(content)

    def invoke(*command: str, **changes: Any):
        files = {
            "data.folder": ".",
            **{f"data.{name}": f"{name}.csv" for name in ("train", "test", "sample_submission")},
        }
        sizes = {"pretrain.vocab_size": 300, "pretrain.n_embd": 32, "pretrain.n_head": 2, "pretrain.n_layer": 1}
        dump_params(shipped, {**files, **sizes, **changes}, folder / "params.yaml")
        return CliRunner().invoke(app, list(command), catch_exceptions=False)

    return invoke


def build_results(documents=6, grid=("greedy/no_repeat_ngram_size:0", "greedy/no_repeat_ngram_size:3"), **changes):
    """What a run left, by hand: a row a configuration, two baselines; texts of words that count up.

    Row r of the grid has the reference's first words, ever fewer, so that the first row is the best.
    """
    import numpy as np

    from pipeline.params.grid import BASELINES
    from pipeline.reporting.results import Results

    examples = pd.DataFrame(
        {
            "id": [f"d{i:03d}" for i in range(documents)],
            "text": [f"{i}일 서울에서 축제가 열렸다. 시민 {i}00명이 왔다. 날씨가 맑았다." for i in range(documents)],
            "summaries": [[f"{i}일 서울 축제에 시민 {i}00명이 왔다."] for i in range(documents)],
        }
    )
    rows = []
    for place, name in enumerate([*grid, *BASELINES[:2]]):
        for i, (text, summaries) in enumerate(zip(examples["text"], examples["summaries"], strict=True)):
            words = (text if name in BASELINES else summaries[0]).split()
            kind = "baseline" if name in BASELINES else "configuration"
            score = 0.9 - 0.05 * place - 0.01 * ((i * 7 + place * 3) % 5)
            rows.append(
                (examples["id"][i], name, kind, " ".join(words[: len(words) - place % 4]), score, 0.5, 0.4, 0.5)
            )
    columns = ["id", "name", "kind", "text", "score", "rouge1", "rouge2", "rougeL"]
    scores = pd.DataFrame(rows, columns=columns)
    board = scores.groupby("name", sort=False).agg(kind=("kind", "first"), score=("score", "mean")).reset_index()
    top = board["score"].max()
    board = board.assign(difference=board["score"] - top, cost=1, seconds=np.nan, rep2=0.1, length_ratio=1.0)
    board["difference_low"], board["difference_high"] = board["difference"] - 0.02, board["difference"] + 0.01
    board.loc[0, ["difference_low", "difference_high"]] = 0.0
    board["score_low"], board["score_high"], board["expected"] = (
        board["score"] - 0.02,
        board["score"] + 0.02,
        board["score"],
    )
    none = pd.DataFrame(columns=["id", "rule", "copy_of", "text"])
    history = pd.DataFrame({"step": [10, 20], "loss": [1.0, 0.5], "learning_rate": [1e-3, 0.0]})
    given = {"board": board, "scores": scores, "examples": examples, "selection": {"name": grid[0]}, "details": {}}
    return Results(**{**given, "history": history, "removed": none, **changes})


def build_project(
    shipped: dict[str, Any], changes: dict[str, Any], folder: Path, documents: int = 40
) -> dict[str, str]:
    """A git and DVC repository with the code, the sample with so many test documents, and params; its environment."""
    for name in ("pipeline", "data/sample", "data/external"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("test", "sample_submission", "answers"):
        path = folder / f"data/sample/{name}.csv"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[: documents + 1]))
    dump_params(shipped, changes, folder / "params.yaml")
    (folder / ".gitignore").write_text("__pycache__/\n.yoyak/\n")
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "2"}
    environment |= {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@t"}
    for command in ("git init -q", "dvc init -q", "git add -A", "git commit -q -m start"):
        subprocess.run(command.split(), cwd=folder, env=environment, check=True, capture_output=True)
    return environment
