"""A training step of ours against a plain `Trainer` with peft. By hand, on a machine that does nothing else:

    python benchmarks/train_step.py ../data/court/train.csv --case gpt2-bf16

Both sides train the same LoRA (r=16, all linear layers) on the same random weights and documents for one epoch, in
turns, each turn in a process of its own, after a warm-up of one batch. The documents are random tokens, as long as the
competition's in a byte-level BPE, cut at 512 with their summaries. The rival is what tutorials show: batches drawn at
random, padded on the right to their longest, the loss over the full sequence (prompts masked in the labels), the same
precision and batch size; ours may read a batch a few examples at a time, as the train stage does. Memory is the most
that was resident at once, beyond the loaded model.

`--check` gives both the same order of examples and compares their losses, step by step; with an fp32 case.
`--without packing,fused,memory` leaves out what is named, to see what each idea brings. `--by-hand` adds a third side
for the default base: its step written out by hand (step_by_hand.py), on documents that are all of one length.

Prints a JSON line a case; `ratio` is rival / ours. MFU is the share of a measured matmul peak that the multiplications
of a step without waste make: 4 x parameters x tokens that are no padding, for frozen weights need no gradient.
`products_s` are the matrix products of such a step alone, one after the other, into memory that is there already, and
nothing else; `ratio_of_products`, rival / products, is what no step made of torch's products can reach.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from step_by_hand import DOCUMENTS, LABELS, LENGTH, Step
from step_products import time_products
from step_shapes import LONGEST, RANK, SHAPES
from transformers import Trainer, TrainingArguments

from pipeline.models.devices import set_up_memory
from pipeline.models.tokenizer import build_bpe_tokenizer
from pipeline.params.reading import parse_params
from pipeline.progress import hush, quieten_libraries
from pipeline.training.arguments import build_arguments
from pipeline.training.batches import IGNORED, Collator
from pipeline.training.fused import fused, is_fused
from pipeline.training.micro_batches import fit_batch
from pipeline.training.objectives import Objective
from pipeline.training.packed_model import packed
from pipeline.training.trainer import SummaryTrainer

PAD = 1
# encoder-decoders, whose products are not timed: a token meets one half of the weights and what attends across
ENCODER_DECODERS = ("bart", "t5")


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


def draw_even_features(documents: int, vocabulary: int) -> list[dict[str, list[int]]]:
    """Random tokens of the one length that the step written by hand reads."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(2, vocabulary, (documents, LENGTH), generator=generator).tolist()
    return [{"input_ids": row, "labels": row[-LABELS:]} for row in rows]


def run_by_hand(model: Any, features: Any) -> float:
    """Seconds of the steps alone, after a warm-up."""
    set_up_memory()
    step = Step(model)
    ids = torch.tensor([feature["input_ids"] for feature in features]).view(-1, DOCUMENTS * LENGTH)
    step.run(ids[0])
    start = time.perf_counter()
    for batch in ids:
        step.run(batch)
    return time.perf_counter() - start


def build_rival(model: Any, features: Any, arguments: dict[str, Any], in_order: bool) -> Trainer:
    """Trainer and peft as they come."""

    def collate(batch: Any) -> dict[str, torch.Tensor]:
        longest = max(len(f["input_ids"]) for f in batch)
        pad = [longest - len(f["input_ids"]) for f in batch]
        ids = [f["input_ids"] + [PAD] * n for f, n in zip(batch, pad, strict=True)]
        mask = [[1] * len(f["input_ids"]) + [0] * n for f, n in zip(batch, pad, strict=True)]
        if model.config.is_encoder_decoder:
            most = max(len(f["labels"]) for f in batch)
            labels = [f["labels"] + [IGNORED] * (most - len(f["labels"])) for f in batch]
        else:
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
        # that is told of each epoch
        super()._get_train_sampler(train_dataset)
        return torch.utils.data.SequentialSampler(self.features)


@contextmanager
def ours(model: Any, without: set[str]) -> Iterator[Any]:
    """What the train stage does to a model, or less; gives the packing and the layout of batches."""
    with ExitStack() as stack:
        if "memory" not in without:
            set_up_memory()
        if "fused" not in without:
            stack.enter_context(fused(model))
        if "packing" in without:
            yield None, "encoder-decoder" if model.config.is_encoder_decoder else "left"
        else:
            yield stack.enter_context(packed(model)), "packed"


def build_ours(model: Any, features: Any, params: Any, precision: str, in_order: bool, prepared: Any) -> Trainer:
    """The train stage's trainer, without validation and checkpoints."""
    packing, layout = prepared
    mixed = "fp32" if is_fused(model) else precision
    tuning = fit_batch(params, features, model, "cpu")
    arguments = build_arguments(tuning, mixed, Path(tempfile.mkdtemp()), 1)
    arguments.save_strategy = arguments.eval_strategy = "no"
    arguments.logging_steps = 1
    kind = InOrder if in_order else SummaryTrainer
    start = model.config.decoder_start_token_id if model.config.is_encoder_decoder else None
    return kind(
        features=features, params=tuning, objective=Objective(), model=model, args=arguments, packing=packing,
        data_collator=Collator(PAD, layout, decoder_start_token_id=start),
    )  # fmt: skip


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


def run_side(options: argparse.Namespace) -> dict[str, Any]:
    """One side, in this process: seconds, peak megabytes, losses."""
    shape, precision = options.case.split("-")
    torch.manual_seed(0)
    base = SHAPES[shape]().to(torch.bfloat16 if precision == "bf16" else torch.float32)
    if options.by_hand:
        features = draw_even_features(options.documents, base.config.vocab_size)
    else:
        features = load_features(options.competition, options.documents, base.config.vocab_size)
    if base.config.is_encoder_decoder:
        # documents before their summaries, as long together as a causal model's
        features = [{**f, "input_ids": f["input_ids"][: -len(f["labels"])]} for f in features]
    if options.side == "products":
        return {"seconds": time_products(base, features, options.batch_size, RANK)}
    torch.manual_seed(1)
    kind = "SEQ_2_SEQ_LM" if base.config.is_encoder_decoder else "CAUSAL_LM"
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=32, task_type=kind, target_modules="all-linear"))
    if options.side == "hand":
        return {"seconds": run_by_hand(model, features), "peak_mb": 0.0}
    changes = {"num_train_epochs": 1, "per_device_train_batch_size": options.batch_size, "learning_rate": 2e-4}
    changes |= {"warmup_steps": 0, "lr_scheduler_type": "constant_with_warmup"}
    params = parse_params(Path("params.yaml").read_text())
    params = params.model_copy(update={"train": params.train.model_copy(update=changes)})
    arguments = {
        "output_dir": tempfile.mkdtemp(), "num_train_epochs": 1, "per_device_train_batch_size": options.batch_size,
        "learning_rate": 2e-4, "lr_scheduler_type": "constant", "save_strategy": "no", "report_to": "none",
        "logging_steps": 1, "bf16": precision == "bf16", "use_cpu": True, "disable_tqdm": True, "seed": 1,
    }  # fmt: skip
    # of our side alone; a plain script has none of it
    without = set(options.without.split(","))
    before = _read_status("VmRSS")
    with ours(model, without) if options.side == "ours" else nullcontext() as prepared:

        def build(chosen: Any) -> Trainer:
            if options.side == "ours":
                trainer = build_ours(model, chosen, params, precision, options.check, prepared)
            else:
                trainer = build_rival(model, chosen, arguments, options.check)
            hush(trainer)
            return trainer

        if not options.check:
            build(features[: options.batch_size]).train()
        trainer = build(features)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tokens = sum(len(f["input_ids"]) for f in features)
    # forward 2, activations' gradients 2; embeddings multiply nothing
    work = 4 * (base.num_parameters() - model.get_input_embeddings().weight.numel()) * tokens
    peak_mb = (_read_status("VmHWM") - before) / 1024
    return {"seconds": seconds, "peak_mb": peak_mb, "losses": losses, "tokens": tokens, "work": work}


def _read_status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def run_child(side: str) -> dict[str, Any]:
    """A side in a process of its own."""
    command = [sys.executable, *sys.argv, "--side", side]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition", type=Path, help="a train.csv with columns text and summary")
    parser.add_argument(
        "--case", required=True, help="gpt2, llama, sample, bart or t5, and behind a hyphen bf16 or fp32"
    )
    parser.add_argument("--documents", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="compare losses step by step instead")
    parser.add_argument("--without", default="", help="packing, fused, memory")
    parser.add_argument("--by-hand", action="store_true", help="time the step written by hand too (sample cases)")
    parser.add_argument("--side", choices=["ours", "rival", "products", "hand"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    is_whole = options.batch_size == DOCUMENTS and options.documents % DOCUMENTS == 0
    if options.by_hand and not (options.case.startswith("sample-") and is_whole):
        parser.error(f"--by-hand is for the sample cases and whole batches of {DOCUMENTS}")
    if options.side:
        quieten_libraries()
        print(json.dumps(run_side(options)))
        return
    if options.check:
        losses = {side: run_child(side)["losses"] for side in ("ours", "rival")}
        worst = max(abs(a - b) for a, b in zip(losses["ours"], losses["rival"], strict=True))
        print(json.dumps({"case": f"{options.case} losses", **losses, "largest_difference": worst}))
        return
    sides = ("ours", "rival", "hand") if options.by_hand else ("ours", "rival")
    runs = [{side: run_child(side) for side in sides} for _ in range(options.turns)]
    best = {side: {key: min(run[side][key] for run in runs) for key in ("seconds", "peak_mb")} for side in sides}
    ours, rival = best["ours"], best["rival"]
    by_hand = {}
    if options.by_hand:
        seconds = best["hand"]["seconds"]
        by_hand = {"by_hand_s": round(seconds, 2), "ratio_by_hand": round(rival["seconds"] / seconds, 2)}
    shape, precision = options.case.split("-")
    bound = {}
    if shape not in ENCODER_DECODERS:
        products = run_child("products")["seconds"]
        ratio = rival["seconds"] / products
        bound = {"products_s": round(products, 2), "ratio_of_products": round(ratio, 2)}
        bound["ours_mfu"] = round(runs[0]["ours"]["work"] / ours["seconds"] / measure_peak(precision), 3)
    documents = options.documents
    print(
        json.dumps(
            {
                "case": options.case + (f" without {options.without}" if options.without else ""),
                "documents": documents, "tokens": runs[0]["ours"]["tokens"], "batch_size": options.batch_size,
                "ours_s": round(ours["seconds"], 2), "rival_s": round(rival["seconds"], 2),
                "ratio": round(rival["seconds"] / ours["seconds"], 2),
                **by_hand,
                "ours_docs_per_s": round(documents / ours["seconds"], 2),
                "ours_peak_mb": round(ours["peak_mb"]), "rival_peak_mb": round(rival["peak_mb"]),
                **bound,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
