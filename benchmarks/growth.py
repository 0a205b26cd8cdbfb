"""How a training epoch grows with the documents' length and with the batch, and decoding with the model. By hand:

    python benchmarks/growth.py length --plot benchmarks/train_growth.svg
    python benchmarks/growth.py model --plot benchmarks/model_growth.svg

`length`: one epoch of LoRA as the train stage does it, over eight documents of 128 to 2,048 random tokens, the last 48
of them a summary, in batches of 1 and of 8, for the shipped base's shape and for a random Llama of 135 M, in bf16.
`model`: four prompts of 256 tokens, greedily and with 4 beams in one pass, 32 new tokens, by random Llamas of 30 M to
1.3 B in bf16.

CPU seconds, of one thread: other processes on the machine take little away from them. Prints a JSON line a point, and
draws them if asked to (pip install -e '.[benchmarks]'), beside a line that grows as fast as what is varied.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from train_step import build_ours, ours
from transformers import GPTJConfig, LlamaConfig
from transformers.models.gptj.modeling_gptj import GPTJForCausalLM
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from pipeline.decoding.engine import SharedPrefixEngine
from pipeline.decoding.plan import Document
from pipeline.params.grid import Configuration
from pipeline.params.reading import parse_params
from pipeline.progress import hush, quieten_libraries

LENGTHS, BATCHES, DOCUMENTS, LABELS = (128, 256, 512, 1024, 2048), (1, 8), 8, 48
ENDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
PROMPTS, PROMPT, NEW = 4, 256, 32
GRID = [
    Configuration("greedy", {"max_new_tokens": NEW, "min_new_tokens": NEW}),
    Configuration("beam", {"max_new_tokens": NEW, "min_new_tokens": NEW, "num_beams": 4}),
]
# width, feed-forward width, layers, heads, heads of keys
LLAMAS = {
    "30 M": (384, 1024, 8, 6, 2),
    "135 M": (576, 1536, 30, 9, 3),
    "360 M": (960, 2560, 32, 15, 5),
    "1.3 B": (2048, 5632, 24, 32, 4),
}


def build_llama(name: str) -> Any:
    width, feed_forward, layers, heads, keys = LLAMAS[name]
    config = LlamaConfig(
        vocab_size=32_000, hidden_size=width, intermediate_size=feed_forward, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=keys, max_position_embeddings=4096, tie_word_embeddings=True,
        **ENDS,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(torch.bfloat16)


def build_sample() -> Any:
    """The shipped base's shape, with a longer context."""
    config = GPTJConfig(
        vocab_size=2000, n_positions=4096, n_embd=256, n_layer=4, n_head=4, rotary_dim=64, activation_function="gelu",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **ENDS,
    )  # fmt: skip
    return GPTJForCausalLM(config).to(torch.bfloat16)


def time_epoch(model: Any, length: int, batch_size: int, params: Any) -> float:
    """CPU seconds of an epoch, after one that warms up."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(2, 2000, (DOCUMENTS, length), generator=generator).tolist()
    features = [{"input_ids": row, "labels": row[-LABELS:]} for row in rows]
    changes = {"num_train_epochs": 1, "per_device_train_batch_size": batch_size, "warmup_steps": 0}
    params = params.model_copy(update={"train": params.train.model_copy(update=changes)})
    seconds = 0.0
    with ours(model, set()) as prepared:
        for chosen in (features[:1], features):
            trainer = build_ours(model, chosen, params, "bf16", True, prepared)
            hush(trainer)
            start = time.process_time()
            trainer.train()
            seconds = time.process_time() - start
    return seconds


def run_lengths() -> list[dict[str, Any]]:
    params, lines = parse_params(Path("params.yaml").read_text()), []
    for name, build in {"the shipped base": build_sample, "Llama 135 M": lambda: build_llama("135 M")}.items():
        torch.manual_seed(0)
        adapted = LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules="all-linear")
        model = get_peft_model(build(), adapted)
        for batch_size in BATCHES:
            for length in LENGTHS:
                seconds = time_epoch(model, length, batch_size, params)
                line = {"series": f"{name}, batches of {batch_size}", "x": length, "seconds": round(seconds, 2)}
                lines.append({**line, "tokens_per_second": round(DOCUMENTS * length / seconds)})
                print(json.dumps(lines[-1]), flush=True)
    return lines


def run_models() -> list[dict[str, Any]]:
    generator, lines = torch.Generator().manual_seed(0), []
    prompts = torch.randint(2, 32_000, (PROMPTS, PROMPT), generator=generator).tolist()
    for name in LLAMAS:
        torch.manual_seed(0)
        model = build_llama(name).eval()
        documents = [Document(str(n), prompt, (0, 1)) for n, prompt in enumerate(prompts)]
        engine = SharedPrefixEngine(model, GRID, 0, 64, PROMPTS)
        start = time.process_time()
        list(engine.decode(documents))
        seconds, weights = time.process_time() - start, sum(p.numel() for p in model.parameters())
        lines.append({"series": "greedy and 4 beams", "x": round(weights / 1e6), "seconds": round(seconds, 2)})
        print(json.dumps({**lines[-1], "model": name}), flush=True)
        del model, engine
    return lines


def draw(lines: list[dict[str, Any]], label: str, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 4))
    for series in dict.fromkeys(line["series"] for line in lines):
        own = [line for line in lines if line["series"] == series]
        (drawn,) = axis.plot([p["x"] for p in own], [p["seconds"] for p in own], marker="o", label=series)
        linear = [own[0]["seconds"] * p["x"] / own[0]["x"] for p in own]
        axis.plot([p["x"] for p in own], linear, linestyle=":", color=drawn.get_color(), alpha=0.6)
    axis.set(xlabel=label, ylabel="CPU seconds", xscale="log", yscale="log", title="dotted: as fast as what is varied")
    ticks = sorted({line["x"] for line in lines})
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("varied", choices=["length", "model"])
    parser.add_argument("--plot", type=Path, help="where to draw the points")
    options = parser.parse_args()
    quieten_libraries()
    torch.set_num_threads(1)
    lines = run_lengths() if options.varied == "length" else run_models()
    if options.plot:
        draw(lines, {"length": "tokens of a document", "model": "million parameters"}[options.varied], options.plot)


if __name__ == "__main__":
    main()
