"""How stages grow with documents and with candidates: CPU seconds, and the most memory they held. By hand:

    python benchmarks/load.py documents --sizes 10000 30000 100000
    python benchmarks/load.py candidates --sizes 3000 10000 30000
    python benchmarks/load.py graph --sizes 500 5000 50000 --plot benchmarks/graph_growth.svg

No model writes: what decoding would have left is made up. `documents` gives each validation document one candidate and
times preprocess, score and export; `candidates` gives each 24, of three families with 8 each, and times score (with the
consensus of all, of the three best and of a family) and report. `graph` runs all stages with a model of one layer of 16
features that writes four tokens a document: a tenth of the documents validate, and a hundredth as many are the test.
Each is a child process in a folder of its own.

Prints a JSON line a stage and size, and draws them if asked to (pip install -e '.[benchmarks]'). Of CPU seconds, other
processes on the machine take nothing away.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from preprocess_rows import write_articles, write_competition
from ruamel.yaml import YAML

from pipeline.cli.app import PANELS, STAGES
from pipeline.params.grid import build_configurations
from pipeline.tables import CANDIDATES, LABELLED, LIKELIHOODS, PREDICTIONS, UNLABELLED, save_empty_table, save_json
from pipeline.tables import save_table as save

ROOT = Path(__file__).parent.parent
ONE = {"greedy": {"no_repeat_ngram_size": 0}}
SAMPLES = {"do_sample": True, "num_return_sequences": 8}
EIGHT = {
    "beam": {"num_beams": 8, "num_return_sequences": 8},
    "warm": {**SAMPLES, "temperature": 0.7},
    "hot": {**SAMPLES, "temperature": 1.0},
}


# of a child, status, seconds and peak kilobytes as the kernel counted them. It counts to a child what its parent held
# when it began, so this parent, without rows and torch, stands between
USAGE = """
import json, resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=sys.stderr)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
# what costs least and still goes through every stage
STUB = {
    "prompt": {"max_document_tokens": 32, "max_summary_tokens": 16},
    "pretrain": {
        **{"vocab_size": 300, "n_positions": 256, "n_embd": 16, "n_layer": 1, "n_head": 1},
        **{"num_train_epochs": 1, "per_device_train_batch_size": 64, "block_size": 64},
    },
    "lora": {"r": 1},
    "train": {"num_train_epochs": 1, "per_device_train_batch_size": 64},
    "decode": {"max_new_tokens": 4},
    "preprocess": {"valid_fraction": 0.1},
    "predict": {"fill_empty": "lead-1"},
}


def write_params(folder: Path, grid: dict, pools: list[str], changes: dict) -> None:
    yaml = YAML()
    values = yaml.load((ROOT / "params.yaml").read_text())
    values["data"]["folder"] = "data"
    values["decode"].update(grid=grid, untuned=False, few_shot=0)
    values["score"]["consensus"]["pools"] = pools
    values["preprocess"]["valid_fraction"] = 0.5
    # what it learns of is a model's reading of every candidate
    values["rank"]["method"] = "none"
    for section, own in changes.items():
        values[section].update(own)
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(values, file)


def write_decoded(folder: Path, rows: int, grid: dict) -> None:
    """What preprocess, decode and rank leave for `rows` validation documents, and what predict leaves for the test."""
    rng = random.Random(0)
    articles = list(write_articles(rows, 2))
    valid = pd.DataFrame(articles, columns=["id", "text", "summaries"])
    valid["summaries"] = [[summary] for summary in valid["summaries"]]
    processed = folder / "data/processed"
    save(valid, processed / "valid.parquet", LABELLED)
    save(valid[:100].assign(id=[f"r{i}" for i in range(100)]), processed / "train.parquet", LABELLED)
    save(valid[:100].assign(id=[f"x{i}" for i in range(100)]), processed / "test.parquet", UNLABELLED)
    written = []
    configurations = build_configurations(grid, 64)
    for name, text, _ in articles:
        words = text.split()[:14]
        for configuration in configurations:
            for candidate in range(int(configuration.settings.get("num_return_sequences", 1))):
                kept = " ".join(word for word in words if rng.random() < 0.7) or words[0]
                written.append((name, configuration.name, candidate, kept, 20, True))
    save(pd.DataFrame(written, columns=list(CANDIDATES)), folder / "predictions/valid.parquet", CANDIDATES)
    save_empty_table(folder / "predictions/likelihoods.parquet", LIKELIHOODS)
    save_json({"seconds_by_configuration": {c.name: 1.0 for c in configurations}}, folder / "details/decode.json")
    known = folder / "details/preprocess.json"
    if not known.is_file():
        save_json({"word_overlap": {"bound": 0.5, "overlapping": []}}, known)


def write_test(folder: Path, rows: int) -> None:
    """A competition with so many test documents, and a summary of each."""
    articles = list(write_articles(rows, 1))
    for name, header, cells in (
        ("test.csv", ["id", "text"], [(one, text) for one, text, _ in articles]),
        ("sample_submission.csv", ["id", "summary"], [(one, "") for one, _, _ in articles]),
    ):
        pd.DataFrame(cells, columns=header).to_csv(folder / "data" / name, index=False)
    table = pd.DataFrame([(one, summary) for one, _, summary in articles], columns=list(PREDICTIONS))
    save(table, folder / "predictions/test.parquet", PREDICTIONS)


def measure(folder: Path, stage: str, rows: int, case: str) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / f"{stage}.log").open("w") as log:
        command = [sys.executable, "-S", "-c", USAGE, sys.executable, "-m", "pipeline", stage]
        told = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, check=True)
    status, seconds, peak = json.loads(told.stdout)
    if status:
        sys.exit(f"{stage} of {rows} rows failed: {(folder / f'{stage}.log').read_text()[-2000:]}")
    found = {"case": case, "stage": stage, "rows": rows, "cpu_s": round(seconds, 1)}
    print(json.dumps({**found, "peak_mb": round(peak / 2**10)}), flush=True)
    return found


def run(case: str, rows: int, root: Path | None) -> list[dict]:
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        (folder / "data").mkdir()
        if case == "candidates":
            write_params(folder, EIGHT, ["all", "top-3", "beam"], {})
            write_decoded(folder, rows, EIGHT)
            write_competition(folder / "data", 10)
            return [measure(folder, stage, rows, case) for stage in ("score", "report")]
        write_competition(folder / "data", rows)
        if case == "graph":
            write_params(folder, ONE, ["all"], STUB)
            return [measure(folder, command.__name__, rows, case) for command in PANELS[STAGES]]
        write_params(folder, ONE, [], {})
        found = [measure(folder, "preprocess", rows, case)]
        write_decoded(folder, rows, ONE)
        found.append(measure(folder, "score", rows, case))
        write_test(folder, rows)
        return [*found, measure(folder, "export", rows, case)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=["documents", "candidates", "graph"])
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, help="where files are made; default: the system's temporary folder")
    parser.add_argument("--plot", type=Path, help="where to draw the points")
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    found = [line for rows in options.sizes for line in run(options.case, rows, options.folder)]
    if options.plot:
        # it loads torch, of which nothing else here needs anything
        from growth import draw

        points = [{"series": line["stage"], "x": line["rows"], "seconds": line["cpu_s"]} for line in found]
        draw(points, "documents", options.plot)


if __name__ == "__main__":
    main()
