"""Which sections of params.yaml a stage is given, and who runs it."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.loading import load_params

if TYPE_CHECKING:
    from pipeline.params.reading import SelectedParams

# the sections of params.yaml that a stage may read: dvc.yaml declares the same, and a stage is given nothing else
STAGE_SECTIONS = {
    "preprocess": ("seed", "task", "data", "preprocess", "prompt", "generation", "model", "pretrain"),
    "pretrain": ("seed", "model", "pretrain", "train.distill.teacher", "train.distill.trust_remote_code"),
    "train": ("seed", "task", "prompt", "generation", "model", "lora", "prompt_tuning", "train"),
    "explore": (
        *("seed", "task", "prompt", "model", "lora", "prompt_tuning", "train", "explore"),
        *("refine.method", "refine.tokenizer", "refine.weights"),
    ),
    "refine": ("seed", "prompt", "model", "lora", "prompt_tuning", "train", "refine"),
    "decode": ("seed", "task", "prompt", "model", "decode"),
    "rank": ("seed", "task", "prompt", "model", "rank"),
    "score": ("seed", "task", "decode", "rank", "score", "predict"),
    "predict": ("seed", "task", "prompt", "model", "predict"),
    "export": ("task", "data", "generation", "export"),
    # the page shows them all
    "report": (
        *("seed", "task", "data", "preprocess", "prompt", "generation", "model", "pretrain", "lora", "prompt_tuning"),
        *("train", "explore", "refine", "decode", "rank", "score", "predict", "export", "report"),
    ),
}


def hand_over(stage: str, processes: int, params_file: Path) -> None:
    """Leaves a command to several processes, if it was asked to be theirs and is not yet."""
    from pipeline.models.processes import launch_processes, needs_processes

    if needs_processes(processes):
        raise typer.Exit(launch_processes(processes, [stage, "--params", str(params_file)]))


def load_stage_params(stage: str, path: Path) -> "SelectedParams":
    return load_params(path).select(*STAGE_SECTIONS[stage])
