"""A step of refine, which reads a document once, against the same step with a padded row for each summary. By hand:

    python benchmarks/refine_step.py --model sample --document 512

A step is the forward and backward pass of brio's loss for one document of random tokens, a reference and 16 candidates
of 40 tokens, on random weights with LoRA (r=16, all linear layers, fused as train has it). Ours reads P + K S tokens,
the rival K rows of P + S; its head too runs at the summaries alone. Both take turns in one process; the time is the
median. Memory is the most that was resident in a process that makes two steps of one side, beyond the loaded model.

Prints a JSON line; `ratio` is rival / ours, `difference` the largest of any gradient, by its largest number.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from step_shapes import RANK, SHAPES
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.models.devices import set_up_memory
from pipeline.models.likelihoods import BRANCHES, compute_log_probabilities
from pipeline.training.candidate_features import Document
from pipeline.training.fused import fused
from pipeline.training.refine_trainer import Refinement, sum_by_text

CANDIDATES, LENGTH = 16, 40
REFINEMENT = Refinement("brio", 1.0, 0.01, 1.0, 0.01, 1.0, 0.1)


def build_llama() -> Any:
    """30 million weights, of which a third are embeddings that the head shares."""
    shape = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6, "num_attention_heads": 8}
    return LlamaForCausalLM(LlamaConfig(vocab_size=20_000, tie_word_embeddings=True, **shape))


def build_model(name: str, precision: str) -> Any:
    torch.manual_seed(0)
    base = build_llama() if name == "llama" else SHAPES[name]()
    base = base.to(torch.bfloat16 if precision == "bf16" else torch.float32)
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=32, task_type="CAUSAL_LM", target_modules="all-linear"))
    for parameter_name, parameter in model.named_parameters():
        if "lora_B" in parameter_name:
            # a fresh one is zero, and so would be half of the gradients
            torch.nn.init.normal_(parameter, std=0.02)
    return model.train()


def draw_document(length: int, vocabulary: int) -> Document:
    generator = torch.Generator().manual_seed(0)
    prompt, *texts = (
        torch.randint(2, vocabulary, (size,), generator=generator).tolist()
        for size in (length, *[LENGTH] * (CANDIDATES + 1))
    )
    return Document(prompt, texts[:1], texts[1:], [1 - rank / CANDIDATES for rank in range(CANDIDATES)])


def read_rows(model: Any, document: Document, texts: list[list[int]]) -> torch.Tensor:
    """Log-probabilities of all tokens, each text in a row of its own. All are of one length: there is no padding."""
    ids = torch.tensor([document.prompt + tokens for tokens in texts])
    kept = LENGTH + 1
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, logits_to_keep=kept).logits
    found = logits[:, :-1].float().log_softmax(-1)
    return found.gather(-1, torch.tensor(texts)[..., None]).flatten()


def step(model: Any, document: Document, is_ours: bool) -> float:
    """Seconds of one step."""
    model.zero_grad()
    start, texts = time.perf_counter(), REFINEMENT.list_continuations(document)
    with ExitStack() as held:
        if is_ours:
            values = compute_log_probabilities(model, document.prompt, texts, BRANCHES, held)
        else:
            values = read_rows(model, document, texts)
        REFINEMENT.compute_loss(document, sum_by_text(values, texts)).backward()
    return time.perf_counter() - start


def copy_gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def measure_peak(side: str) -> float:
    """Megabytes, in a process of its own."""
    output = subprocess.run([sys.executable, *sys.argv, "--side", side], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output.splitlines()[-1])


def read_status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["sample", "llama"], required=True, help="the default GPT-J, or a Llama")
    parser.add_argument("--document", type=int, required=True, help="its tokens")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--side", choices=["ours", "rival"], help="internal: one side's memory, in this process")
    options = parser.parse_args()
    set_up_memory()
    model = build_model(options.model, options.precision)
    document = draw_document(options.document, model.config.vocab_size)
    with fused(model):
        if options.side:
            before = read_status("VmRSS")
            for _ in range(2):
                step(model, document, options.side == "ours")
            print(json.dumps(round(read_status("VmHWM") - before)))
            return
        gradients = []
        for is_ours in (True, False):
            step(model, document, is_ours)
            gradients.append(copy_gradients(model))
        own, other = gradients
        difference = max(float((own[n] - g).abs().max() / g.abs().max()) for n, g in other.items() if g.any())
        turns = [(step(model, document, True), step(model, document, False)) for _ in range(options.turns)]
    ours, rival = (statistics.median(column) for column in zip(*turns, strict=True))
    case = f"{options.model}-{options.precision}, {options.document} tokens, {CANDIDATES + 1} summaries of {LENGTH}"
    line = {"case": case, "ours_s": round(ours, 3), "rival_s": round(rival, 3), "ratio": round(rival / ours, 2)}
    line |= {f"{side}_peak_mb": measure_peak(side) for side in ("ours", "rival")}
    print(json.dumps({**line, "difference": float(f"{difference:.1e}")}))


if __name__ == "__main__":
    main()
