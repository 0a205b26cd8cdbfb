"""How preprocess grows with the number of rows: time, and the most memory it held. By hand:

    python benchmarks/preprocess_rows.py --rows 10000 100000 1000000

A competition of so many generated training rows (and a hundredth as many test rows) is written to a scratch folder:
articles of 150 to 300 characters with a summary each, no two of them alike, a tenth of them near-copies of others.
`python -m pipeline preprocess` reads it as a child process, with the scratch tokenizer or that of a folder.

Prints a JSON line a size: seconds, rows a second, and the child's peak resident megabytes as the kernel counted them.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
SYLLABLES = [chr(code) for code in range(0xAC00, 0xD7A4, 37)]
ENDINGS = ("했다고 밝혔다.", "것으로 나타났다.", "계획이라고 전했다.", "늘었다고 설명했다.", "열렸다.", "줄었다.")
JOSA = ("은", "는", "이", "가", "을", "를", "에서", "에", "의", "으로", "와", "도")


def write_articles(rows: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """Ids, articles and summaries; words follow one another by chance, the frequent ones first, as Zipf has it."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.choice((2, 2, 3, 3, 4)))) for _ in range(20_000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    cumulative = list(accumulate(weights))
    previous = ""
    for number in range(rows):
        if number % 10 == 9:
            text = f"{previous} {rng.choice(words)}{rng.choice(ENDINGS)}"
        else:
            sentences, size = [], rng.randrange(140, 260)
            while sum(map(len, sentences)) < size:
                drawn = rng.choices(words, cum_weights=cumulative, k=rng.randrange(6, 12))
                sentences.append(" ".join(word + rng.choice(JOSA) for word in drawn) + " " + rng.choice(ENDINGS))
            text = " ".join(sentences)
        yield f"t{number}", text, text.split(". ")[0][:60]
        previous = text


def write_competition(folder: Path, rows: int) -> None:
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "summary"])
        writer.writerows(write_articles(rows, 0))
    test = [(name, text) for name, text, _ in write_articles(max(rows // 100, 2), 1)]
    for name, header, cells in (
        ("test.csv", ["id", "text"], test),
        ("sample_submission.csv", ["id", "summary"], [(name, "") for name, _ in test]),
    ):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *cells])


def write_params(folder: Path, model: str) -> None:
    yaml = YAML()
    values = yaml.load((ROOT / "params.yaml").read_text())
    values["data"]["folder"] = "data"
    values["model"]["name"] = model
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(values, file)


def measure(rows: int, model: str, root: Path | None) -> dict:
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write_competition(folder / "data", rows)
        write_params(folder, model)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        start = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-m", "pipeline", "preprocess"], cwd=folder, env=environment)
        # the usage of this child alone, as the kernel counted it
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"preprocess of {rows} rows failed with status {status}")
        size = (folder / "data/train.csv").stat().st_size
    return {
        "case": f"{rows} rows",
        "model": model,
        "train_mb": round(size / 2**20, 1),
        "seconds": round(seconds, 1),
        # of the process's own work, which other processes on the machine do not stretch
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "rows_per_s": round(rows / seconds),
        "peak_mb": round(usage.ru_maxrss / 2**10),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--model", default="scratch", help="scratch, or a folder with a tokenizer")
    parser.add_argument(
        "--folder", type=Path, help="where the generated files go; default: the system's temporary folder"
    )
    options = parser.parse_args()
    for rows in options.rows:
        print(json.dumps(measure(rows, options.model, options.folder)), flush=True)


if __name__ == "__main__":
    main()
