"""check, mend and sample: what a participant does before anything runs."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.competition import (
    build_future_prompts,
    collect_pretraining_texts,
    list_pretraining_splits,
    load_splits,
    load_submission_form,
)
from pipeline.cli.generation import describe_splits
from pipeline.cli.loading import ParamsFile, load_external, load_params
from pipeline.errors import InputError
from pipeline.paths import DVC_YAML, PARAMS, SAMPLE, TORN

if TYPE_CHECKING:
    from pipeline.params.reading import Params
    from pipeline.scoring.rows import External


def check(params_file: ParamsFile = PARAMS) -> None:
    """Refuse now what would fail later, and say what a run will do. Writes nothing.

    Example: python -m pipeline check
    """
    from pipeline.preflight.adaptation import describe_adaptation
    from pipeline.preflight.check import (
        build_planned_model,
        describe_few_shot,
        describe_map_reduce,
        describe_peak,
        describe_run,
        describe_special_tokens,
    )
    from pipeline.preflight.formulas import describe_formulas
    from pipeline.preflight.refusals import collect_mistakes, list_checks
    from pipeline.preflight.torn import refuse_torn
    from pipeline.stages.preprocess import describe_cuts

    params = load_params(params_file)
    competition = load_splits(params)
    splits, texts = competition.splits, collect_pretraining_texts(params, competition)
    builder, choice = build_future_prompts(params, splits, texts)
    model = build_planned_model(params, builder)
    details = describe_splits(params, competition, builder, choice, list_pretraining_splits(params))
    externals, mistakes = _load_externals(params)
    describe_reading = partial(describe_adaptation, params, texts, builder.drop_special_tokens())
    mistakes += collect_mistakes(
        [
            refuse_torn,
            partial(_check_folder, params.data.folder),
            partial(load_submission_form, params),
            describe_reading,
        ]
    )
    if mistakes := mistakes + collect_mistakes(list_checks(params, splits, builder, externals)):
        raise InputError(mistakes)
    lines = [*competition.lines, *describe_run(params, model.config.model_type, details)]
    lines += [*describe_reading(), *describe_cuts(details)]
    lines += [*describe_special_tokens(builder, splits["train"]), *describe_few_shot(params, splits, builder)]
    lines += [*describe_map_reduce(params, splits, builder), *describe_formulas(splits)]
    for line in [*lines, *describe_peak(params, model, details, builder)]:
        typer.echo(line)


def _check_folder(folder: str) -> None:
    """Refuses a folder of which DVC says, without its name, that it is read and written."""
    from pipeline.preflight.refusals import refuse_own_outputs

    # without a graph nothing stands in the way
    if DVC_YAML.exists():
        refuse_own_outputs(folder)


def _load_externals(params: "Params") -> "tuple[list[External], list[str]]":
    """The files of `score.external` that can be read, and the mistakes of the others."""
    externals, mistakes = [], []
    for file in params.score.external:
        try:
            externals.append(load_external(Path(file)))
        except InputError as error:
            mistakes += error.mistakes
    return externals, mistakes


def sample() -> None:
    """Rebuild the embedded competition, data/sample/*.csv, byte for byte.

    Example: python -m pipeline sample
    """
    from pipeline.competition.sample import build_sample
    from pipeline.tables import save_csv

    for name, frame in build_sample().items():
        save_csv(frame, SAMPLE / f"{name}.csv")
        typer.echo(f"{SAMPLE / name}.csv: {len(frame)} rows")


def mend() -> None:
    """Set aside what DVC left half-written when it was killed, so that dvc repro goes on. make repro does it.

    Example: python -m pipeline mend
    """
    from pipeline.preflight.torn import UNREADABLE, set_aside_torn

    for path in set_aside_torn():
        typer.echo(f"{path}: {UNREADABLE}; moved to {TORN}, DVC makes it anew")
