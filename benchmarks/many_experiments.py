"""What is shown of many experiments stays usable: time and memory of DVC's table, of ours, of the ledger. By hand:

    python benchmarks/many_experiments.py --counts 50 100 200

No experiment is run. A project whose graph is one stage runs once; each further experiment is what `dvc exp run` would
leave of another rank: a git commit under refs/exps with params.yaml, dvc.lock and metrics, and its scores in DVC's
cache. As many rows stand in the ledger, each with a board's answer.

Prints a JSON line a command: seconds, CPU seconds, peak resident megabytes, and the characters it printed.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pipeline.history.ledger import COLUMNS, render_ledger
from pipeline.tables import SCORES, save_table

ROOT = Path(__file__).parent.parent
DOCUMENTS = 500
GRAPH = """
stages:
  score:
    cmd: python stage.py
    deps: [data]
    params: [seed, lora, decode, score]
    outs: [predictions/scores.parquet, predictions/selection.json]
    metrics:
      - metrics/scores.json: {cache: false}
"""
STAGE = """
import shutil
for name in ("predictions/scores.parquet", "predictions/selection.json", "metrics/scores.json"):
    shutil.copy("made/" + name, name)
"""
COMMANDS = {
    "dvc exp show": ["dvc", "exp", "show", "--no-pager", "--only-changed"],
    "experiments": [sys.executable, "-m", "pipeline", "experiments"],
    "leaderboard show": [sys.executable, "-m", "pipeline", "leaderboard", "show"],
}


def git(folder: Path, *command: str, content: str | None = None) -> str:
    done = subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, text=True, input=content)
    return done.stdout.strip()


def write_results(folder: Path, number: int) -> float:
    """The scores of an experiment of this number, and what it selected."""
    rng = random.Random(number)
    base = 0.4 + rng.random() / 20
    scores = [min(max(base + rng.gauss(0, 0.1), 0), 1) for _ in range(DOCUMENTS)]
    rows = pd.DataFrame({"id": [f"d{i}" for i in range(DOCUMENTS)], "score": scores})
    rows = rows.assign(name="greedy", kind="configuration", text="요약이다", rouge1=0.5, rouge2=0.4, rougeL=0.5)
    save_table(rows, folder / "predictions/scores.parquet", SCORES)
    (folder / "predictions/selection.json").write_text('{"name": "greedy", "kind": "configuration"}\n')
    (folder / "metrics").mkdir(exist_ok=True)
    mean = sum(scores) / DOCUMENTS
    shown = {"score": mean, "low": mean - 0.01, "high": mean + 0.01, "selected": "greedy"}
    (folder / "metrics/scores.json").write_text(json.dumps(shown, indent=2) + "\n")
    return mean


def build_project(folder: Path) -> None:
    yaml = YAML()
    values = yaml.load((ROOT / "params.yaml").read_text())
    values["decode"]["grid"] = {"greedy": {"no_repeat_ngram_size": 0}}
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(values, file)
    (folder / "dvc.yaml").write_text(GRAPH)
    (folder / "stage.py").write_text(STAGE)
    (folder / "data").mkdir()
    (folder / "data/train.csv").write_text("id,text,summary\n")
    (folder / ".gitignore").write_text("/made\n/ledger\n/reports\n")
    for name in ("predictions", "metrics"):
        (folder / name).mkdir()
    write_results(folder / "made", 0)
    git(folder, "init", "-q", "-b", "main")
    for command in (["dvc", "init", "-q"], ["dvc", "repro", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")


def add_experiment(folder: Path, number: int, baseline: str) -> None:
    """What `dvc exp run -S lora.r=…` leaves, without running it."""
    write_results(folder / "made", number)
    made, cache = folder / "made", folder / ".dvc/cache/files/md5"
    lock = YAML(typ="safe", pure=True).load((folder / "dvc.lock").read_text())
    stage = lock["stages"]["score"]
    for out in stage["outs"]:
        content = (made / out["path"]).read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        out.update(md5=digest, size=len(content))
        (cache / digest[:2]).mkdir(parents=True, exist_ok=True)
        (cache / digest[:2] / digest[2:]).write_bytes(content)
    stage["params"]["params.yaml"]["lora"]["r"] = number
    params = (folder / "params.yaml").read_text().replace("  r: 16\n", f"  r: {number}\n", 1)
    files = {"params.yaml": params, "dvc.lock": json.dumps(lock)}
    files["metrics/scores.json"] = (made / "metrics/scores.json").read_text()
    environment = {**os.environ, "GIT_INDEX_FILE": str(folder / ".git/index.made")}

    def ask(*command: str, content: str | None = None) -> str:
        done = subprocess.run(
            ["git", *command], cwd=folder, env=environment, check=True, capture_output=True, text=True, input=content
        )
        return done.stdout.strip()

    ask("read-tree", baseline)
    for name, content in files.items():
        blob = ask("hash-object", "-w", "--stdin", content=content)
        ask("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    commit = ask("commit-tree", ask("write-tree"), "-p", baseline, "-m", f"dvc: commit experiment {number}")
    ask("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/exp-{number:03d}", commit)


def write_ledger(folder: Path, count: int) -> None:
    rng, rows = random.Random(0), []
    for number in range(count):
        score = 0.4 + rng.random() / 20
        cells = {"name": f"s{number}", "sha256": hashlib.sha256(b"%d" % number).hexdigest(), "row": "greedy"}
        cells |= {"time": f"2026-01-{1 + number // 20:02d}T10:00:00+00:00", "tokenizer": "mecab", "split": "a"}
        cells |= {"validation": f"{score:.4f}", "validation_low": f"{score - 0.01:.4f}", "weights": "rouge1 1"}
        cells |= {"validation_high": f"{score + 0.01:.4f}", "public": f"{score + rng.gauss(0, 0.01):.4f}"}
        rows.append(dict.fromkeys(COLUMNS, "") | cells)
    (folder / "ledger").mkdir(exist_ok=True)
    (folder / "ledger/submissions.csv").write_bytes(render_ledger(rows))


def measure(folder: Path, name: str, count: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        child = subprocess.Popen(COMMANDS[name], cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0)
        shown = out.read().decode()
    if status:
        sys.exit(f"{name} failed: {shown[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    found = {"case": name, "experiments": count, "seconds": round(seconds, 1), "cpu_s": round(cpu, 1)}
    print(json.dumps({**found, "peak_mb": round(usage.ru_maxrss / 2**10), "characters": len(shown)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--folder", type=Path, help="where the project is made; default: the system's temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        build_project(folder)
        baseline, done = git(folder, "rev-parse", "HEAD"), 0
        for count in options.counts:
            for number in range(done + 1, count + 1):
                # 16 is the baseline's
                add_experiment(folder, number + 100, baseline)
            done = count
            write_ledger(folder, count)
            for command in COMMANDS:
                measure(folder, command, count)


if __name__ == "__main__":
    main()
