"""The grid in one pass against one `generate` a configuration. By hand, on a machine that does nothing else:

    python benchmarks/decode_grid.py ../data/court/train.csv --case gpt2-fp32

Both sides run in one process, in turns, on the same random weights, dtype and prompts. The rival is batched `generate`,
left-padded (right-padded for encoders), prompts sorted by length, each kind of configuration at the batch size that was
fastest for it. Timing all its configurations takes a quarter of an hour a case, and those of a kind cost the same: with
`--timed N`, N of each kind are timed and their mean stands for the rest; the line says how many.

With `--trained FOLDER`, a folder in which the graph has run, it is that model on its validation documents: the time of
the grid against that of one configuration, and how many candidates equal those of `generate` in fp32.

Prints a JSON line a case; `ratio` is rival / ours.
"""

import argparse
import csv
import ctypes
import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from ruamel.yaml import YAML
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GPT2Config, GPTJConfig, LlamaConfig, T5Config

from pipeline.decoding.engine import SharedPrefixEngine
from pipeline.decoding.plan import Document
from pipeline.decoding.support import find_obstacle
from pipeline.models.base import load_base
from pipeline.models.generation import get_eos_token_ids, pad_prompts
from pipeline.models.loading import load_model, load_prompt_builder
from pipeline.models.tokenizer import build_bpe_tokenizer
from pipeline.models.truncation import load_truncation
from pipeline.params.file_sections import PromptParams
from pipeline.params.grid import Configuration, build_configurations
from pipeline.params.model_sections import ModelParams
from pipeline.tables import LABELLED, UNLABELLED, load_table

VOCABULARY = 51_200
ENDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
GPT = {"vocab_size": VOCABULARY, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, **ENDS}
SHAPES: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: GPT2Config(**GPT),
    "gptj": lambda: GPTJConfig(**GPT, rotary_dim=64),
    "t5": lambda: T5Config(
        vocab_size=VOCABULARY, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, eos_token_id=0,
        pad_token_id=1, decoder_start_token_id=1,
    ),
    # 1.1 B, grouped-query: for a GPU
    "llama": lambda: LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, max_position_embeddings=2048, **ENDS,
    ),
}  # fmt: skip
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# 12 greedy-type and 12 with 4 beams
GRID = {
    "greedy": {"no_repeat_ngram_size": [0, 2, 3], "repetition_penalty": [1.0, 1.1, 1.2, 1.3]},
    "beam": {"num_beams": 4, "no_repeat_ngram_size": [0, 2, 3], "length_penalty": [0.5, 0.8, 1.0, 1.2]},
}


def load_prompts(path: Path, documents: int, longest: int) -> list[list[int]]:
    """Random tokens, as many as the first documents of a competition have in a byte-level BPE."""
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    tokenizer = build_bpe_tokenizer(texts, 8000, longest)
    lengths = [min(len(ids), longest) for ids in tokenizer(texts[:documents], verbose=False)["input_ids"]]
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(2, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def build_model(shape: str, dtype: torch.dtype, device: str) -> Any:
    torch.manual_seed(0)
    config = SHAPES[shape]()
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return kind.from_config(config).to(dtype).to(device).eval()


def run_ours(
    model: Any, prompts: list[list[int]], configurations: list[Configuration], in_flight: int = 64
) -> tuple[dict, Any]:
    engine = SharedPrefixEngine(model, configurations, 0, max_rows=1 << 20, max_documents=in_flight)
    wanted = tuple(range(len(configurations)))
    decoded = engine.decode([Document(str(i), prompt, wanted) for i, prompt in enumerate(prompts)])
    return {(name, index): candidates for name, index, candidates in decoded}, engine.statistics


@torch.inference_mode()
def run_rival(model: Any, prompts: list[list[int]], configuration: Configuration, batch_size: int) -> None:
    order = sorted(prompts, key=len, reverse=True)
    for start in range(0, len(order), batch_size):
        ids, mask = pad_prompts(order[start : start + batch_size], 1, model.config.is_encoder_decoder)
        model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), **configuration.settings)


def measure(model: Any, run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, peak megabytes above what was resident before, and the result."""
    gc.collect()
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        torch.cuda.synchronize()
    else:
        # what the last run freed and glibc kept would hide as much of this one's peak
        ctypes.CDLL(None).malloc_trim(0)
        # 5: forget the highest resident size so far
        Path("/proc/self/clear_refs").write_text("5")
        before = _read_status("VmRSS")
    started = time.perf_counter()
    result = run()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter() - started, (torch.cuda.max_memory_allocated() - before) / 2**20, result
    return time.perf_counter() - started, (_read_status("VmHWM") - before) / 2**20, result


def _read_status(name: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) * 1024


def tune_rival(model: Any, prompts: list[list[int]], configuration: Configuration) -> int:
    """The batch size that is fastest for a configuration, shortened to a quarter of its tokens."""
    settings = {**configuration.settings, "max_new_tokens": max(2, configuration.settings["max_new_tokens"] // 4)}
    short = Configuration(configuration.name, settings)
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= len(prompts)][-4:]
    return min(sizes, key=lambda size: measure(model, lambda: run_rival(model, prompts, short, size))[0])


def run_case(case: str, arguments: argparse.Namespace) -> dict[str, Any]:
    shape, precision = case.split("-")
    model = build_model(shape, DTYPES[precision], arguments.device)
    assert find_obstacle(model) is None
    prompts = load_prompts(arguments.court, arguments.documents, arguments.longest)
    configurations = build_configurations(GRID, arguments.new_tokens)
    families = {name: [c for c in configurations if c.name.startswith(name)] for name in GRID}
    sizes = {name: arguments.batch_size or tune_rival(model, prompts, family[0]) for name, family in families.items()}
    # evenly over a family, so that cheap and dear processors are both among them
    timed = {name: family[:: max(1, len(family) // arguments.timed)] for name, family in families.items()}
    ours, rival, peaks = [], {name: [] for name in GRID}, [0.0, 0.0]
    for turn in range(arguments.turns):
        run = lambda: run_ours(model, prompts, configurations, arguments.in_flight)  # noqa: E731
        seconds, peak, (_, statistics) = measure(model, run)
        ours.append(seconds)
        peaks[0] = max(peaks[0], peak)
        for name, family in timed.items():
            for configuration in itertools.islice(family, turn, None, arguments.turns):
                run = lambda c=configuration, size=sizes[name]: run_rival(model, prompts, c, size)  # noqa: E731
                seconds, peak, _ = measure(model, run)
                rival[name].append(seconds)
                peaks[1] = max(peaks[1], peak)
    rival_s = sum(sum(times) / len(times) * len(families[name]) for name, times in rival.items())
    single, *_ = measure(model, lambda: run_ours(model, prompts, configurations[:1], arguments.in_flight))
    return {
        "case": case,
        "ours_s": round(min(ours), 2),
        "rival_s": round(rival_s, 2),
        "ratio": round(rival_s / min(ours), 2),
        "ours_peak_mb": round(peaks[0]),
        "rival_peak_mb": round(peaks[1]),
        "documents": len(prompts),
        "in_flight": arguments.in_flight,
        "prompt_tokens": sum(map(len, prompts)),
        "configurations": len(configurations),
        "rival_timed": {name: len(times) for name, times in rival.items()},
        "rival_batch_sizes": sizes,
        "rival_tuned": arguments.batch_size is None,
        "rival_s_each": {name: round(sum(times) / len(times), 2) for name, times in rival.items()},
        "ours_s_all": [round(s, 2) for s in ours],
        "ours_one_configuration_s": round(single, 2),
        "distinct_rows": round(statistics.rows / statistics.wanted_rows, 3),
        "rows_a_step": round(statistics.rows / statistics.steps),
        "tokens_per_s": round(len(prompts) * 5 * 12 * arguments.new_tokens / min(ours)),
    }


def load_trained(folder: Path, documents: int) -> tuple[Any, list[list[int]]]:
    """Tuned model in fp32, and prompts of the validation and then the test documents of a folder in which the graph has
    run."""
    values = YAML(typ="safe", pure=True).load((folder / "params.yaml").read_text())
    os.chdir(folder)
    base = load_base(Path("models/base"))
    model_params = ModelParams(**{**values["model"], "precision": "fp32"})
    model, _ = load_model(base, model_params, Path("models/adapter"))
    truncation = load_truncation(Path("data/processed/truncation.json"))
    builder = load_prompt_builder(base, model_params, PromptParams(**values["prompt"]), truncation.name)
    builder = builder.keep(truncation)
    texts = list(load_table(Path("data/processed/valid.parquet"), LABELLED)["text"])
    texts += list(load_table(Path("data/processed/test.parquet"), UNLABELLED)["text"])
    return model, [prompt.input_ids for prompt in builder.build_prompts(texts[:documents])]


def run_trained(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    model, prompts = load_trained(folder, arguments.documents)
    configurations = build_configurations(GRID, arguments.new_tokens)
    greedy, beam = configurations[:1], configurations[12:13]
    run_ours(model, prompts[:2], greedy)
    alone = {
        c[0].name.split("/")[0]: measure(model, lambda c=c: run_ours(model, prompts, c))[0] for c in (greedy, beam)
    }
    seconds, peak, (decoded, statistics) = measure(model, lambda: run_ours(model, prompts, configurations))
    ends = set(get_eos_token_ids(model))
    rival, differing = 0.0, 0
    for index, configuration in enumerate(configurations[: None if arguments.timed else 0]):
        taken, theirs = _generate_one_by_one(model, prompts, configuration, ends)
        rival += taken
        differing += sum(decoded[str(n), index][0].tokens != tokens for n, tokens in enumerate(theirs))
    return {
        "case": f"trained-{folder.name}-fp32",
        "ours_s": round(seconds, 2),
        "rival_s": round(rival, 2) if arguments.timed else None,
        "ratio": round(rival / seconds, 2) if arguments.timed else None,
        "ours_peak_mb": round(peak),
        "rival_peak_mb": None,
        "rival": "generate, one document at a time, as competitors' loops run it",
        "documents": len(prompts),
        "prompt_tokens": sum(map(len, prompts)),
        "configurations": len(configurations),
        "ours_one_configuration_s": {name: round(s, 2) for name, s in alone.items()},
        "grid_against_one": {name: round(seconds / s, 2) for name, s in alone.items()},
        "distinct_rows": round(statistics.rows / statistics.wanted_rows, 3),
        "candidates_compared": len(decoded) if arguments.timed else 0,
        "candidates_differing": differing,
    }


@torch.inference_mode()
def _generate_one_by_one(
    model: Any, prompts: list[list[int]], configuration: Configuration, ends: set[int]
) -> tuple[float, list[list[int]]]:
    """Seconds, and each prompt's tokens up to end of text."""
    started, decoded = time.perf_counter(), []
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.device)
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **configuration.settings)
        tokens = output[0, 1 if model.config.is_encoder_decoder else len(prompt) :].tolist()
        end = next((i for i, token in enumerate(tokens) if token in ends), len(tokens))
        decoded.append(tokens[: end + 1])
    return time.perf_counter() - started, decoded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("court", type=Path, help="a csv with a column text, whose lengths the prompts take")
    parser.add_argument("--case", action="append", help="shape-dtype, such as gptj-bf16; may be repeated")
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--longest", type=int, default=512, help="tokens at which prompts are cut")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--timed", type=int, default=12, help="configurations of each kind that the rival is timed on")
    parser.add_argument("--batch-size", type=int, help="the rival's, in a hurry; tuned if not given")
    parser.add_argument("--in-flight", type=int, default=4, help="documents that ours decodes together")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--trained", type=Path, help="a folder in which the graph has run; no other case then")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if arguments.trained:
        print(json.dumps(run_trained(arguments.trained.resolve(), arguments)), flush=True)
        return
    for case in arguments.case or ["gpt2-fp32", "gpt2-bf16", "gptj-bf16", "t5-bf16"]:
        print(json.dumps(run_case(case, arguments)), flush=True)


if __name__ == "__main__":
    main()
