"""What git says of the project."""

import subprocess
from contextlib import suppress
from pathlib import Path


def describe_git() -> tuple[str, str]:
    """The commit, and whether code or params differ from it (`true`, `false`); blanks outside git."""

    def ask(*command: str) -> str:
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    with suppress(FileNotFoundError):
        if revision := ask("rev-parse", "HEAD"):
            # results and dvc.lock change with every run; what a submission depends on is the rest
            changed = ask("status", "--porcelain", "--", "pipeline", "params.yaml", "dvc.yaml")
            return revision, "true" if changed else "false"
    return "", ""


def find_project(folder: Path) -> Path:
    """The project's own folder, also from the copy of it in which DVC runs an experiment of its queue."""
    for parent in folder.resolve().parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return folder
