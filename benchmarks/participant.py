"""The participant's way, in one script: Trainer with peft, `generate` for each configuration, korouge-score.

end_to_end.py runs it, with the settings and the split of the graph that it is compared with:

    python benchmarks/participant.py settings.json

Each part is what tutorials show: batches drawn at random and padded to their longest on the right, the loss over the
prompt masked; prompts padded on the left, one configuration after the other; every summary scored by korouge-score.
Writes the test set's summaries and prints a JSON line of seconds by part.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pandas as pd
import torch
from korouge_score.rouge_scorer import RougeScorer
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

from pipeline.scoring.rouge.tokenizers import build_reference_tokenizer

METRICS = ("rouge1", "rouge2", "rougeL")
IGNORED = -100


class Mecab:
    """What korouge-score takes for a tokenizer."""

    def __init__(self):
        self.tokenize = build_reference_tokenizer("mecab")


def build_features(frame: pd.DataFrame, tokenizer: Any, settings: dict[str, Any]) -> list[dict[str, list[int]]]:
    """Prompt, summary and end of text; the loss is on the summary alone."""
    features = []
    for text, summaries in zip(frame["text"], frame["summaries"], strict=True):
        prompt = tokenizer(settings["template"].replace("{text}", text))["input_ids"]
        summary = tokenizer(summaries[0], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        features.append({"input_ids": prompt + summary, "labels": [IGNORED] * len(prompt) + summary})
    return features


def train(model: Any, tokenizer: Any, features: list[dict[str, list[int]]], settings: dict[str, Any]) -> None:
    """An epoch or several of Trainer as it comes."""

    def collate(batch: Any) -> dict[str, torch.Tensor]:
        longest = max(len(feature["input_ids"]) for feature in batch)
        pad = [longest - len(feature["input_ids"]) for feature in batch]
        rows = {
            "input_ids": [f["input_ids"] + [tokenizer.pad_token_id] * n for f, n in zip(batch, pad, strict=True)],
            "attention_mask": [[1] * len(f["input_ids"]) + [0] * n for f, n in zip(batch, pad, strict=True)],
            "labels": [f["labels"] + [IGNORED] * n for f, n in zip(batch, pad, strict=True)],
        }
        return {name: torch.tensor(values) for name, values in rows.items()}

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), num_train_epochs=settings["num_train_epochs"], seed=settings["seed"],
        per_device_train_batch_size=settings["batch_size"], learning_rate=settings["learning_rate"],
        warmup_steps=settings["warmup_steps"], lr_scheduler_type="cosine", bf16=True, use_cpu=True,
        save_strategy="no", report_to="none", disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    Trainer(model=model, args=arguments, train_dataset=features, data_collator=collate).train()


@torch.inference_mode()
def summarize(model: Any, tokenizer: Any, texts: list[str], chosen: dict[str, Any], settings: dict[str, Any]) -> list:
    """The first candidate of each text."""
    torch.manual_seed(settings["seed"])
    count, summaries = chosen.get("num_return_sequences", 1), []
    for start in range(0, len(texts), settings["batch_size"]):
        prompts = [
            settings["template"].replace("{text}", text) for text in texts[start : start + settings["batch_size"]]
        ]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True)
        output = model.generate(**inputs, **chosen, pad_token_id=tokenizer.pad_token_id)
        written = output[::count, inputs["input_ids"].shape[1] :]
        summaries += [text.strip().split("\n")[0] for text in tokenizer.batch_decode(written, skip_special_tokens=True)]
    return summaries


def score(summaries: list[str], frame: pd.DataFrame) -> float:
    """Mean F1 of the three, over the documents."""
    scorer, total = RougeScorer(list(METRICS), tokenizer=Mecab()), 0.0
    for summary, references in zip(summaries, frame["summaries"], strict=True):
        found = scorer.score(references[0], summary)
        total += sum(found[metric].fmeasure for metric in METRICS) / len(METRICS)
    return total / len(frame)


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    train_set, valid, test = (
        pd.read_parquet(settings["processed"] + f"/{n}.parquet") for n in ("train", "valid", "test")
    )
    times = {"load": time.perf_counter()}
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.bfloat16)
    torch.manual_seed(settings["seed"])
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings["lora"]))
    times["train"] = time.perf_counter()
    train(model, tokenizer, build_features(train_set, tokenizer, settings), settings)
    times["decode"] = time.perf_counter()
    model, tokenizer.padding_side = model.eval(), "left"
    written = {
        name: summarize(model, tokenizer, list(valid["text"]), chosen, settings)
        for name, chosen in settings["configurations"].items()
    }
    times["score"] = time.perf_counter()
    scores = {name: score(summaries, valid) for name, summaries in written.items()}
    best = max(scores, key=scores.__getitem__)
    times["predict"] = time.perf_counter()
    predicted = summarize(model, tokenizer, list(test["text"]), settings["configurations"][best], settings)
    pd.DataFrame({"id": test["id"], "summary": predicted}).to_csv(settings["submission"], index=False)
    names, ends = list(times), [*list(times.values())[1:], time.perf_counter()]
    seconds = {name: round(end - times[name], 1) for name, end in zip(names, ends, strict=True)}
    print(json.dumps({"seconds": seconds, "best": best, "scores": {n: round(s, 4) for n, s in scores.items()}}))


if __name__ == "__main__":
    main()
