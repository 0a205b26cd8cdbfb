"""check and sample: what a participant does before anything runs."""

import typer

from pipeline.cli.loading import ParamsFile, build_future_prompts, load_params, load_splits
from pipeline.paths import PARAMS, SAMPLE


def check(params_file: ParamsFile = PARAMS) -> None:
    """Refuse now what would fail later, and say what a run will do. Writes nothing.

    Example: python -m pipeline check
    """
    from pipeline.preflight.check import build_planned_model, describe_peak, describe_run
    from pipeline.stages.preprocess import compute_details, describe_cuts

    params = load_params(params_file)
    splits, dropped = load_splits(params)
    builder = build_future_prompts(params, splits["train"])
    model = build_planned_model(params, builder.tokenizer)
    details = compute_details(splits, dropped, builder)
    lines = [*describe_run(params, model.config.model_type, details), *describe_cuts(details)]
    for line in [*lines, *describe_peak(params, model, details, builder)]:
        typer.echo(line)


def sample() -> None:
    """Rebuild the embedded competition, data/sample/*.csv, byte for byte.

    Example: python -m pipeline sample
    """
    from pipeline.competition.sample import build_sample
    from pipeline.tables import save_csv

    for name, frame in build_sample().items():
        save_csv(frame, SAMPLE / f"{name}.csv")
        typer.echo(f"{SAMPLE / name}.csv: {len(frame)} rows")
