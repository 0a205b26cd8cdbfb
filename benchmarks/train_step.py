"""A training step of ours against a plain `Trainer` with peft. By hand, on a machine that does nothing else:

    python benchmarks/train_step.py ../data/court/train.csv --case gpt2-bf16

Both sides train the same LoRA (r=16, all linear layers) on the same random weights and documents for one epoch, in
turns, in one process. The documents are random tokens, as long as the competition's in a byte-level BPE, cut at 512
with their summaries. The rival is what tutorials show: batches drawn at random, padded on the right to their longest,
the loss over the full sequence (prompts masked in the labels), the same precision and batch size.

`--check` instead compares the losses of both in fp32, step by step, on the same order of examples.

Prints a JSON line a case; `ratio` is rival / ours. MFU is the share of a measured bf16 or fp32 matmul peak that the
rival's useful multiplications (6 x parameters x tokens that are no padding; frozen weights need no gradient: 4 x) make.
"""

import argparse
import copy
import csv
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPTJConfig, Trainer, TrainingArguments
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.models.gptj.modeling_gptj import GPTJForCausalLM

from pipeline.batches import IGNORED, build_collator
from pipeline.params import parse_params
from pipeline.progress import hush, quieten_libraries
from pipeline.tokenization import build_bpe_tokenizer
from pipeline.train import build_arguments
from pipeline.trainer import Objective, SummaryTrainer

LONGEST = 512
PAD = 1
NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SHAPES: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=51_200, n_positions=LONGEST, **NO_DROPOUT)),
    # the shipped base
    "sample": lambda: GPTJForCausalLM(
        GPTJConfig(
            vocab_size=2000, n_positions=LONGEST, n_embd=256, n_layer=4, n_head=4, rotary_dim=64,
            activation_function="gelu_pytorch_tanh", **NO_DROPOUT,
        )
    ),
}  # fmt: skip


def load_features(path: Path, documents: int, vocabulary: int) -> list[dict[str, list[int]]]:
    """Random tokens, as many as documents and summaries have; the document is cut so that both fit."""
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tokenizer = build_bpe_tokenizer([row["text"] for row in rows], 8000, LONGEST)
    generator = torch.Generator().manual_seed(0)
    features = []
    for row in rows[:documents]:
        text, summary = (len(ids) for ids in tokenizer([row["text"], row["summary"]], verbose=False)["input_ids"])
        ids = torch.randint(2, vocabulary, (min(text + summary, LONGEST),), generator=generator).tolist()
        features.append({"input_ids": ids, "labels": ids[-min(summary, LONGEST // 2) :]})
    return features


def build_rival(model: Any, features: Any, arguments: dict[str, Any], in_order: bool) -> Trainer:
    """Trainer and peft as they come."""

    def collate(batch: Any) -> dict[str, torch.Tensor]:
        longest = max(len(f["input_ids"]) for f in batch)
        pad = [longest - len(f["input_ids"]) for f in batch]
        ids = [f["input_ids"] + [PAD] * n for f, n in zip(batch, pad, strict=True)]
        mask = [[1] * len(f["input_ids"]) + [0] * n for f, n in zip(batch, pad, strict=True)]
        labels = [
            [IGNORED] * (len(f["input_ids"]) - len(f["labels"])) + f["labels"] + [IGNORED] * n
            for f, n in zip(batch, pad, strict=True)
        ]
        return {k: torch.tensor(v) for k, v in (("input_ids", ids), ("attention_mask", mask), ("labels", labels))}

    strategy = "sequential" if in_order else "random"
    plain = TrainingArguments(**arguments, remove_unused_columns=False, train_sampling_strategy=strategy)
    return Trainer(model=model, args=plain, train_dataset=features, data_collator=collate)


class InOrder(SummaryTrainer):
    """Ours without its sampler, to compare losses step by step."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return torch.utils.data.SequentialSampler(self.features)


def build_ours(model: Any, features: Any, params: Any, precision: str, in_order: bool) -> Trainer:
    """The train stage's trainer, without validation and checkpoints."""
    bare = model.get_base_model()
    arguments = build_arguments(params, precision, Path(tempfile.mkdtemp()), 1)
    arguments.save_strategy = arguments.eval_strategy = "no"
    arguments.logging_steps = 1
    kind = InOrder if in_order else SummaryTrainer
    collator = build_collator(bare, PAD, is_prompt_tuned=False)
    return kind(
        features=features, params=params, objective=Objective(), model=model, args=arguments, data_collator=collator
    )


def measure(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds, and peak megabytes above what was resident before."""
    gc.collect()
    # 5: forget the highest resident size so far
    Path("/proc/self/clear_refs").write_text("5")
    before = _read_status("VmRSS")
    start = time.perf_counter()
    run()
    return time.perf_counter() - start, (_read_status("VmHWM") - before) / 1024


def _read_status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure_peak(precision: str) -> float:
    """Multiplications and additions a second of a large matmul."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.randn(2048, 3072).to(dtype), torch.randn(3072, 3072).to(dtype)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(5):
            left @ right
        best = max(best, 5 * 2 * 2048 * 3072 * 3072 / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition", type=Path, help="a train.csv with columns text and summary")
    parser.add_argument("--case", required=True, help="gpt2-bf16, gpt2-fp32, sample-bf16 or sample-fp32")
    parser.add_argument("--documents", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="compare losses step by step instead")
    options = parser.parse_args()
    quieten_libraries()
    shape, precision = options.case.split("-")
    torch.manual_seed(0)
    base = SHAPES[shape]().to(torch.bfloat16 if precision == "bf16" else torch.float32)
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    features = load_features(options.competition, options.documents, base.config.vocab_size)
    text = Path("params.yaml").read_text()
    changes = {"num_train_epochs": 1, "per_device_train_batch_size": options.batch_size, "learning_rate": 2e-4}
    changes |= {"warmup_steps": 0, "lr_scheduler_type": "constant_with_warmup"}
    params = parse_params(text).train.model_copy(update=changes)
    arguments = {
        "output_dir": tempfile.mkdtemp(), "num_train_epochs": 1, "per_device_train_batch_size": options.batch_size,
        "learning_rate": 2e-4, "lr_scheduler_type": "constant", "save_strategy": "no", "report_to": "none",
        "logging_steps": 1, "bf16": precision == "bf16", "use_cpu": True, "disable_tqdm": True, "seed": 1,
    }  # fmt: skip

    def build(kind: str) -> Trainer:
        torch.manual_seed(1)
        model = get_peft_model(copy.deepcopy(base), config)
        if kind == "ours":
            trainer = build_ours(model, features, params, precision, options.check)
        else:
            trainer = build_rival(model, features, arguments, options.check)
        hush(trainer)
        return trainer

    if options.check:
        losses = {}
        for kind in ("ours", "rival"):
            trainer = build(kind)
            trainer.train()
            losses[kind] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        worst = max(abs(a - b) for a, b in zip(losses["ours"], losses["rival"], strict=True))
        print(json.dumps({"case": f"{options.case} losses", **losses, "largest_difference": worst}))
        return
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "rival": []}
    for _ in range(options.turns):
        for kind in taken:
            trainer = build(kind)
            taken[kind].append(measure(trainer.train))
            del trainer
    seconds = {kind: min(s for s, _ in runs) for kind, runs in taken.items()}
    memory = {kind: min(m for _, m in runs) for kind, runs in taken.items()}
    tokens = sum(len(f["input_ids"]) for f in features)
    # forward 2, activations' gradients 2, a weight's gradient only where it is tuned; embeddings multiply nothing
    work = 4 * (base.num_parameters() - base.get_input_embeddings().weight.numel()) * tokens
    print(
        json.dumps(
            {
                "case": options.case, "documents": len(features), "tokens": tokens, "batch_size": options.batch_size,
                "ours_s": round(seconds["ours"], 2), "rival_s": round(seconds["rival"], 2),
                "ratio": round(seconds["rival"] / seconds["ours"], 2),
                "ours_docs_per_s": round(len(features) / seconds["ours"], 2),
                "ours_peak_mb": round(memory["ours"]), "rival_peak_mb": round(memory["rival"]),
                "ours_mfu": round(work / seconds["ours"] / measure_peak(precision), 3),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
