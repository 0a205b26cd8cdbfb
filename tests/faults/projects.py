"""A tiny project in which every stage has something to do, and what is done to it: started, killed, forgotten, compared."""

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from builders import ROOT, build_project
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

STAGES: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
# several checkpoints in train and in refine, models that explore trains, and a submission that depends on all of them
BUSY = {
    "data.limit": 240,
    "model.precision": "fp32",
    "pretrain.vocab_size": 800,
    "pretrain.n_embd": 96,
    "pretrain.n_layer": 2,
    "pretrain.n_head": 2,
    "pretrain.num_train_epochs": 8,
    "pretrain.learning_rate": 3e-3,
    "train.num_train_epochs": 2,
    "train.eval_steps": 12,
    "train.warmup_steps": 0,
    "prompt.max_summary_tokens": 40,
    "decode.max_new_tokens": 24,
    "explore.documents": 48,
    "explore.out_of_fold": "always",
    "explore.grid": {"greedy": {}, "samples": {"do_sample": True, "num_return_sequences": 4}},
    "refine.method": "best",
    "refine.num_train_epochs": 2,
    "refine.per_device_train_batch_size": 4,
    "refine.eval_steps": 4,
    "rank.method": "ridge",
    "predict.use": "consensus/all",
    "predict.fill_empty": "lead-1",
    "score.resamples": 100,
}
SUBMISSION = Path("submissions/submission.csv")
# figures of the time that was taken, and the page that shows them; and what grows line by line while a stage runs
TIMED, PAGE = ("second", "time"), "reports/report.html"
GROWING = ("plots/train.csv", "plots/refine.csv")


def list_outputs(stage: str) -> list[Path]:
    """Every file and folder that dvc.yaml says a stage writes."""
    names: list[str] = []
    for kind in ("outs", "metrics", "plots"):
        for one in STAGES[stage].get(kind, []):
            names += [one] if isinstance(one, str) else one
    return [Path(name.replace("${export.name}.${export.format.suffix}", "submission.csv")) for name in names]


def digest_outputs(folder: Path, stages: Sequence[str] = tuple(STAGES)) -> dict[str, str]:
    """What lies under every name that the stages write, by name; figures of the time taken are left out."""
    found = {}
    for output in (output for stage in stages for output in list_outputs(stage)):
        path = folder / output
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and str(output) != PAGE:
                found[str(file.relative_to(folder))] = digest_file(file)
    return found


class Project:
    """A git and DVC repository in a folder of its own."""

    def __init__(self, shipped: dict[str, Any], folder: Path, **changes: Any):
        self.folder = folder
        self.environment = build_project(shipped, {**BUSY, **changes}, folder)
        # one thread, for the cores may be shared; and none of DVC's own memory of other folders
        self.environment |= {"OMP_NUM_THREADS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".dvc/site")}
        # a person's own scratch root is not to be emptied
        self.environment.pop("YOYAK_SCRATCH", None)
        self.log = folder / ".yoyak-log"

    def start(self, *command: str) -> subprocess.Popen:
        """Runs a command in a process group of its own, as a shell does; its output goes to `log`."""
        with self.log.open("w") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT, process_group=0,
                preexec_fn=_hear_ctrl_c,
            )  # fmt: skip

    def run(self, *command: str, status: int = 0) -> str:
        """Runs a command to its end; its output."""
        process = self.start(*command)
        assert process.wait() == status, self.log.read_text()
        return self.log.read_text()

    def wait_for(self, text: str, process: subprocess.Popen) -> None:
        """Waits until a running command has said something."""
        while text not in self.log.read_text():
            assert process.poll() is None, self.log.read_text()
            time.sleep(0.005)

    def measure(self) -> dict[str, float]:
        """Runs the whole graph; seconds by stage, DVC's share among them."""
        process, begun, found = self.start("dvc", "repro"), [], ""
        while process.poll() is None:
            time.sleep(0.02)
            found = self.log.read_text()
            begun += [time.monotonic()] * (found.count("Running stage '") - len(begun))
        assert process.returncode == 0, found
        assert [line.split("'")[1] for line in found.splitlines() if line.startswith("Running stage '")] == [*STAGES]
        ends = [*begun[1:], time.monotonic()]
        return {stage: end - start for stage, start, end in zip(STAGES, begun, ends, strict=True)}

    def forget(self, stages: Sequence[str]) -> None:
        """Makes stages run again in earnest: neither DVC's lock and run-cache nor the scratch root know them any more.

        The submission stays, as DVC leaves it (`persist`).
        """
        path = self.folder / "dvc.lock"
        yaml = YAML()
        lock = yaml.load(path.read_text())
        for stage in stages:
            lock["stages"].pop(stage, None)
            for output in list_outputs(stage):
                if output != SUBMISSION:
                    remove(self.folder / output)
        with path.open("w") as file:
            yaml.dump(lock, file)
        for folder in (".yoyak", ".dvc/cache/runs"):
            remove(self.folder / folder)

    def remembers(self, stages: Sequence[str]) -> bool:
        """Whether DVC's lock has all of these stages; no lock that was cut short does."""
        lock = self._read_lock()
        return lock is not None and set(stages) <= set(lock["stages"])

    def _read_lock(self) -> Any:
        try:
            lock = YAML(typ="safe").load((self.folder / "dvc.lock").read_text())
            return lock if {*lock} >= {"schema", "stages"} else None
        except (OSError, YAMLError, TypeError):
            return None

    def digest(self, stages: Sequence[str] = tuple(STAGES)) -> dict[str, str]:
        return digest_outputs(self.folder, stages)

    def list_processes(self) -> list[str]:
        """Command lines of whatever still runs in the folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found

    def list_scratch(self) -> list[str]:
        """Folders of runs that have not ended."""
        runs = [path for stage in ("pretrain", "train", "refine") for path in self.folder.glob(f".yoyak/{stage}/*")]
        return [str(path) for path in (*runs, *self.folder.glob(".yoyak/explore/*/*-run"))]

    def scan(self) -> set[tuple[str, int, int]]:
        """Name, size and time of every file where stages write."""
        found = set()
        for name in (
            "data/processed",
            "models",
            "predictions",
            "details",
            "metrics",
            "plots",
            "reports",
            "submissions",
            "ledger",
            ".yoyak",
        ):
            found |= set(_scan(self.folder / name))
        return found


def _hear_ctrl_c() -> None:
    """A shell's background jobs, these tests among them, are started deaf to it, and so would be what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def kill(process: subprocess.Popen, number: int = signal.SIGKILL) -> None:
    """Sends a signal to a whole process group, as a shell does with Ctrl-C, and waits for its leader."""
    os.killpg(process.pid, number)
    process.wait()


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def digest_file(path: Path) -> str:
    """SHA-256 of a file. Of JSON and leaderboards, without what was measured by the clock."""
    content = path.read_bytes()
    if path.suffix == ".json" and "models" not in path.parts:
        value = _drop_times(json.loads(content))
        if path.name == "decode.json":
            # what the last run decoded: nothing, where everything was remembered
            value = {name: one for name, one in value.items() if name not in ("rows", "distinct_rows")}
        content = json.dumps(value).encode()
    elif path.name == "leaderboard.csv":
        rows = csv.DictReader(io.StringIO(content.decode()))
        content = json.dumps([_drop_times(row) for row in rows]).encode()
    return hashlib.sha256(content).hexdigest()


def _drop_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _drop_times(v) for k, v in value.items() if not any(word in k for word in TIMED)}
    return [_drop_times(one) for one in value] if isinstance(value, list) else value


def _scan(folder: Path) -> list[tuple[str, int, int]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found += _scan(Path(entry.path))
                else:
                    status = entry.stat(follow_symlinks=False)
                    found.append((entry.path, status.st_size, status.st_mtime_ns))
    except OSError:
        # gone while it was looked at
        pass
    return found
