"""The whole run: `dvc repro` against a participant's script (participant.py) that does the same work. By hand, on a
machine that does nothing else:

    python benchmarks/end_to_end.py ../data/sae4k --model a-folder-of-a-causal-model --rows 400

Both tune the same LoRA on the same split of the competition's first rows, decode validation with the same six
configurations, score them on Mecab morphemes, and summarize the test set with the best. The graph runs in a clone of
this repository; its parts are timed as their stages begin. Then the day's second experiments: `dvc exp run -S` with
another rank, another grid and another tokenizer, against the script, which can only be run again from its beginning.

Prints a JSON line: seconds by part, the most memory that one process of a side held, `ratio` (script / ours), and both
submissions' scores against answers.csv, with the paired interval of the difference.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from arms import grade
from ruamel.yaml import YAML

from pipeline.params.grid import build_configurations
from pipeline.params.reading import parse_params
from pipeline.scoring.bootstrap import compute_intervals

ROOT = Path(__file__).resolve().parent.parent
GRID = {
    "greedy": {"no_repeat_ngram_size": [0, 3]},
    "beam": {"num_beams": 4, "length_penalty": [0.5, 1.0]},
    "nucleus": {"do_sample": True, "top_p": 0.9, "temperature": [0.7, 1.0]},
}
# what is done of the same kind on both sides
PARTS = {
    "preprocess": "load", "pretrain": "load", "train": "train", "explore": "train", "refine": "train",
    "decode": "decode", "rank": "score", "score": "score", "predict": "predict", "export": "predict",
    "report": "report",
}  # fmt: skip
SECOND = {
    "lora.r=8": ["lora.r=8"],
    "decode.grid": ["decode.grid.beam.length_penalty=[0.5,1.0,2.0]"],
    "score.tokenizer": ["score.tokenizer=whitespace"],
}


def set_params(clone: Path, options: argparse.Namespace) -> Any:
    """The clone's params: the competition, the model, the grid, and nothing beside what the script does."""
    yaml, path = YAML(), clone / "params.yaml"
    values = yaml.load(path.read_text())
    values["data"]["folder"], values["data"]["limit"] = str(options.competition.resolve()), options.rows
    values["preprocess"]["valid_fraction"] = 0.25
    values["model"]["name"] = str(options.model.resolve())
    values["train"] |= {"num_train_epochs": 1, "learning_rate": 5e-4, "warmup_steps": 4}
    values["prompt"]["max_summary_tokens"] = values["decode"]["max_new_tokens"] = 48
    values["decode"] |= {"untuned": False, "few_shot": 0, "grid": GRID}
    values["rank"]["method"] = "none"
    values["score"] |= {"select": "expected"}
    values["score"]["consensus"]["pools"] = []
    values["predict"]["fill_empty"] = "lead-1"
    with path.open("w") as file:
        yaml.dump(values, file)
    return parse_params(path.read_text())


def run(command: list[str], folder: Path, log: Path) -> tuple[float, float, list[tuple[str, float]]]:
    """Runs a command; its seconds, the most MB that a process of it held, and when each stage began."""
    began, stages = time.perf_counter(), []
    environment = {**os.environ, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if line.startswith("Running stage '"):
                stages.append((line.split("'")[1], time.perf_counter() - began))
        # of the process and of all that it waited for
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed; see {log}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024, stages


def run_graph(clone: Path, log: Path) -> dict[str, Any]:
    total, peak, stages = run(["dvc", "repro"], clone, log)
    seconds: dict[str, float] = {}
    ends = [*(start for _, start in stages[1:]), total]
    for (stage, start), end in zip(stages, ends, strict=True):
        seconds[PARTS[stage]] = round(seconds.get(PARTS[stage], 0.0) + end - start, 1)
    # dvc looks at the graph before its first stage
    seconds["load"] = round(seconds["load"] + stages[0][1], 1)
    return {"total": round(total, 1), "peak_mb": round(peak), "seconds": seconds}


def run_script(clone: Path, params: Any, options: argparse.Namespace, log: Path) -> dict[str, Any]:
    configurations = build_configurations(params.decode.grid, params.decode.max_new_tokens)
    settings = {
        "processed": str(clone / "data/processed"), "model": params.model.name, "template": params.prompt.template,
        "seed": params.seed, "batch_size": params.train.per_device_train_batch_size,
        "num_train_epochs": params.train.num_train_epochs, "learning_rate": params.train.learning_rate,
        "warmup_steps": params.train.warmup_steps, "submission": str(clone / "script.csv"),
        "lora": {
            "r": params.lora.r, "lora_alpha": params.lora.lora_alpha, "lora_dropout": params.lora.lora_dropout,
            "target_modules": params.lora.target_modules,
        },
        "configurations": {one.name: one.settings for one in configurations},
    }  # fmt: skip
    path = clone / "settings.json"
    path.write_text(json.dumps(settings))
    command = [sys.executable, str(ROOT / "benchmarks/participant.py"), str(path)]
    total, peak, _ = run(command, ROOT, log)
    return {"total": round(total, 1), "peak_mb": round(peak), **json.loads(log.read_text().splitlines()[-1])}


def compare_submissions(clone: Path, options: argparse.Namespace) -> dict[str, Any]:
    answers = pd.read_csv(options.competition / "answers.csv", dtype=str, keep_default_na=False)
    scores = [grade(path, answers).to_numpy() for path in (clone / "submissions/submission.csv", clone / "script.csv")]
    low, high = compute_intervals((scores[0] - scores[1])[None], 2000, 0.95, 0)
    means = {side: round(float(own.mean()), 4) for side, own in zip(("ours", "script"), scores, strict=True)}
    return {
        **means,
        "difference": [round(float(value), 4) for value in (means["ours"] - means["script"], low[0], high[0])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition", type=Path, help="a folder with train.csv, test.csv and answers.csv")
    parser.add_argument("--model", type=Path, required=True, help="a folder with a causal model")
    parser.add_argument("--rows", type=int, default=400)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    params = set_params(clone, options)
    subprocess.run(["git", "commit", "-qam", "params of the benchmark"], cwd=clone, check=True)
    graph = run_graph(clone, folder / "graph.log")
    script = run_script(clone, params, options, folder / "script.log")
    answers = compare_submissions(clone, options)
    subprocess.run("git add -A && git commit -qm results", cwd=clone, shell=True, check=True)
    second = {}
    for name, changes in SECOND.items():
        flags = [flag for change in changes for flag in ("-S", change)]
        total, _, stages = run(["dvc", "exp", "run", *flags], clone, folder / f"{name}.log")
        second[name] = {"seconds": round(total, 1), "stages": [stage for stage, _ in stages]}
        second[name]["ratio"] = round(script["total"] / total, 1)
        subprocess.run("git checkout -q . && dvc checkout -q", cwd=clone, shell=True, check=True)
    result = {"ratio": round(script["total"] / graph["total"], 2), "ours": graph, "script": script}
    print(json.dumps({"rows": options.rows, **result, "answers": answers, "second": second, "logs": str(folder)}))


if __name__ == "__main__":
    main()
