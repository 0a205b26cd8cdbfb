"""What raises the score, and what does not: arms of one competition, each with the whole grid and its own selection.
By hand:

    python benchmarks/arms.py data/sample --seeds 1,2,3 --folder arms
    python benchmarks/arms.py ../data/sae4k --folder arms --base 'model.name=a-folder' 'data.limit=1800' --arms sft,rank

Runs in a clone of this repository's last commit, in --folder, and goes on where it was stopped. An arm is the shipped
params with --base and its own changes; every seed (`train.seed`, so split and base are shared) and every fold, if
--folds says how many, gets every arm. Then the `sft` models of all seeds are joined in each of the ways that ensemble
knows. `single` and `consensus` are the best rows of those two kinds on sft's validation leaderboard.

answers.csv is read once an arm, at the end. Prints a JSON line an arm: the rows that were selected, the score on
validation and on the board (of each document the mean over seeds, on the board over folds too), and for every arm in
--against the difference on either, with the interval of a paired bootstrap over documents. With --folds validation is
out of fold, all training rows.
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from pipeline.history.ensemble import Way
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.rouge.pairs import compute_weighted_rouge

ROOT = Path(__file__).resolve().parent.parent
EVEN = dict.fromkeys(("rouge1", "rouge2", "rougeL"), 1.0)
SFT, SINGLE, CONSENSUS, LONGER = "sft", "single", "consensus", "longer"
# the kinds of the leaderboard's rows
KINDS = {SINGLE: "configuration", CONSENSUS: "consensus"}
PARTS: dict[str, dict[str, Any]] = {
    SFT: {},
    "rank": {"rank.method": "ridge"},
    **{method: {"refine.method": method} for method in ("best", "brio", "mrt", "dpo")},
}


@dataclass(frozen=True)
class Run:
    """One training: the seed, and which of so many folds validates (None: the shipped split)."""

    seed: int
    fold: int = 0
    folds: int | None = None

    def __str__(self) -> str:
        return str(self.seed) if self.folds is None else f"{self.seed}-{self.fold}"


class Arms:
    """The arms of one competition, as they are run and kept in a folder."""

    def __init__(self, folder: Path, competition: Path, base: dict[str, Any]):
        self.folder, self.clone = folder.resolve(), folder.resolve() / "clone"
        if not self.clone.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "clone", "-q", str(ROOT), str(self.clone)], check=True)
        self.base = {"data.folder": str(competition.resolve()), "rank.method": "none", **base}

    def run(self, *command: str) -> None:
        """A command in the clone, which says what it says in log.txt."""
        environment = {**os.environ, "PYTHONPATH": str(self.clone), "DVC_NO_ANALYTICS": "1"}
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            subprocess.run(command, cwd=self.clone, env=environment, check=True, stdout=log, stderr=log)

    def run_arm(self, name: str, run: Run) -> None:
        """Leaves the submission, what was selected, and that row's scores a document."""
        kept = self.get_path(name, run, "csv")
        if kept.exists():
            return
        self.run("git", "checkout", "-q", ".")
        began, changes = time.time(), self._build_changes(name, run)
        own: dict[str, Any] = {"train.seed": run.seed}
        if run.folds:
            own |= {"preprocess.folds": run.folds, "preprocess.fold": run.fold}
        yaml, path = YAML(), self.clone / "params.yaml"
        values = yaml.load(path.read_text())
        for key, value in (self.base | own | changes).items():
            *sections, last = key.split(".")
            inner = values
            for section in sections:
                inner = inner[section]
            inner[last] = value
        with path.open("w") as file:
            yaml.dump(values, file)
        self.run("dvc", "repro")
        if name == SFT:
            self.run("dvc", "exp", "save", "-f", "-n", f"{SFT}-{run}")
            board = (self.clone / "metrics/leaderboard.csv").read_bytes()
            self.get_path("leaderboard", run, "csv").write_bytes(board)
        row = json.loads((self.clone / "predictions/selection.json").read_text())["name"]
        told = {"row": row, "minutes": (time.time() - began) / 60}
        self.get_path(name, run, "json").write_text(json.dumps(told))
        scores = pd.read_parquet(self.clone / "predictions/scores.parquet")
        scores.loc[scores["name"] == row, ["id", "score"]].to_csv(self.get_path(name, run, "valid"), index=False)
        kept.write_bytes((self.clone / "submissions/submission.csv").read_bytes())

    def get_path(self, name: str, run: "Run | str", kind: str) -> Path:
        return self.folder / f"{name}.{run}.{kind}"

    def _build_changes(self, name: str, run: Run) -> dict[str, Any]:
        if name in KINDS:
            board = pd.read_csv(self.get_path("leaderboard", run, "csv"))
            best = board[board["kind"] == KINDS[name]].sort_values("score", ascending=False)
            return {"predict.use": str(best["name"].iloc[0])}
        changes: dict[str, Any] = {}
        for part in name.split("+"):
            if part == LONGER:
                shipped = YAML().load((self.clone / "params.yaml").read_text())["train"]["num_train_epochs"]
                changes["train.num_train_epochs"] = self.base.get("train.num_train_epochs", shipped) + 1
            else:
                changes |= PARTS[part]
        return changes

    def join(self, way: Way, runs: Sequence[Run]) -> str:
        """An ensemble of all runs' sft."""
        name, joined = f"ensemble-{way.value}", name_joined(runs)
        kept = self.get_path(name, joined, "csv")
        if not kept.exists():
            members = [f"{SFT}-{run}" for run in runs]
            self.run("git", "checkout", "-q", ".")
            self.run("dvc", "exp", "apply", members[0])
            self.run("python", "-m", "pipeline", "ensemble", *members, "--by", way.value, "--name", name)
            frame = pd.read_csv(self.clone / f"data/external/{name}.csv", dtype=str, keep_default_na=False)
            valid, test = (frame[frame["split"] == split][["id", "summary"]] for split in ("valid", "test"))
            references = pd.read_parquet(self.clone / "data/processed/valid.parquet").set_index("id")["summaries"]
            scores = compute_weighted_rouge(list(valid["summary"]), references.loc[valid["id"]].tolist(), "mecab", EVEN)
            scored = pd.DataFrame({"id": valid["id"], "score": scores.to_numpy()})
            scored.to_csv(self.get_path(name, joined, "valid"), index=False)
            test.to_csv(kept, index=False)
        return name


def name_joined(runs: Sequence[Run]) -> str:
    """In a file's name the place of the run, of what several make together."""
    return "+".join(map(str, runs))


def load_valid(arms: Arms, name: str, runs: Sequence[Any]) -> pd.Series:
    """By document the mean over runs that validated on it."""
    frames = [pd.read_csv(arms.get_path(name, run, "valid"), dtype={"id": str}) for run in runs]
    return pd.concat(frames).groupby("id")["score"].mean()


def grade(path: Path, answers: pd.DataFrame) -> pd.Series:
    """By document of the board the mean of the three F1s."""
    summaries = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("id")["summary"].loc[answers["id"]]
    references = [[text] for text in answers["summary"]]
    scores = compute_weighted_rouge(list(summaries), references, "mecab", EVEN)
    return pd.Series(scores.to_numpy(), index=answers["id"])


def describe(own: pd.Series, other: pd.Series) -> list[float]:
    """The difference in points, and its interval."""
    differences = (own - other.loc[own.index]).to_numpy()
    low, high = compute_intervals(differences[None], 2000, 0.95, 0)
    return [round(100 * float(value), 2) for value in (differences.mean(), low[0], high[0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition", type=Path, help="a folder with train.csv, test.csv and answers.csv")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--base", nargs="*", default=[], metavar="KEY=VALUE", help="changes of params for all arms")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--folds", type=int)
    parser.add_argument("--arms", default="sft,single,consensus,longer,best,brio,mrt,rank,longer+rank")
    parser.add_argument("--ways", default="consensus,ridge,probabilities,weights", help="of joining all seeds' sft")
    parser.add_argument("--against", default="sft,single,consensus,longer")
    options = parser.parse_args()
    base = {key: YAML(typ="safe").load(value) for key, value in (change.split("=", 1) for change in options.base)}
    arms = Arms(options.folder, options.competition, base)
    seeds, folds = [int(seed) for seed in options.seeds.split(",")], range(options.folds or 1)
    runs = [Run(seed, fold, options.folds) for seed in seeds for fold in folds]
    names = [name for name in options.arms.split(",") if name]
    for run in runs:
        for name in names:
            arms.run_arm(name, run)
    ways = [Way(way) for way in options.ways.split(",") if way] if len(seeds) > 1 and not options.folds else []
    joined = [arms.join(way, runs) for way in ways]
    answers = pd.read_csv(options.competition / "answers.csv", dtype=str, keep_default_na=False)
    valid, board = {}, {}
    for name, own in [*((name, runs) for name in names), *((name, [name_joined(runs)]) for name in joined)]:
        valid[name] = load_valid(arms, name, own)
        grades = [grade(arms.get_path(name, run, "csv"), answers) for run in own]
        board[name] = sum(grades[1:], grades[0]) / len(grades)
        told = [json.loads(path.read_text()) for run in own if (path := arms.get_path(name, run, "json")).exists()]
        line: dict[str, Any] = {"arm": name}
        line |= {k: round(100 * float(s[name].mean()), 2) for k, s in (("valid", valid), ("board", board))}
        for other in options.against.split(","):
            if other in board and other != name:
                line[f"valid over {other}"] = describe(valid[name], valid[other])
                line[f"board over {other}"] = describe(board[name], board[other])
        line |= {"rows": [one["row"] for one in told], "minutes": round(sum(one["minutes"] for one in told), 1)}
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
