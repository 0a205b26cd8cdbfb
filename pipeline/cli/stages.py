"""The stages that read and learn, one thin command each: load its params, read, call, write."""

import typer

from pipeline.cli.competition import (
    build_future_prompts,
    collect_pretraining_texts,
    list_pretraining_splits,
    load_splits,
)
from pipeline.cli.generation import describe_splits, get_generation
from pipeline.cli.loading import ParamsFile, find_run, load_base_and_prompts, load_examples
from pipeline.cli.sections import hand_over, load_stage_params
from pipeline.paths import (
    ADAPTER,
    BASE,
    DETAILS,
    METRICS,
    PARAMS,
    PLOTS,
    PRETRAINED,
    PROCESSED,
    TRAINED,
    TRUNCATION,
)

# of data/processed, what train learns from
LEARNT = (PROCESSED / "train.parquet", PROCESSED / "valid.parquet", TRUNCATION)


def preprocess(params_file: ParamsFile = PARAMS) -> None:
    """Read the competition's files, split off validation, clean, count what the context cuts.

    Example: python -m pipeline preprocess
    """
    from pipeline.models.truncation import save_truncation
    from pipeline.stages.preprocess import describe_cuts, select_metrics
    from pipeline.tables import LABELLED, TEXTS, UNLABELLED, save_csv, save_json, save_table

    params = load_stage_params("preprocess", params_file)
    competition = load_splits(params)
    splits, texts = competition.splits, collect_pretraining_texts(params, competition)
    builder, choice = build_future_prompts(params, splits, texts)
    details = describe_splits(params, competition, builder, choice, list_pretraining_splits(params))
    save_table(texts, PROCESSED / "text.parquet", TEXTS)
    for name, frame in splits.items():
        save_table(frame, PROCESSED / f"{name}.parquet", UNLABELLED if name == "test" else LABELLED)
    save_truncation(choice.truncation, TRUNCATION)
    save_csv(competition.cleaned.removed, PROCESSED / "removed.csv")
    save_json(details, DETAILS / "preprocess.json")
    save_json(select_metrics(details), METRICS / "preprocess.json")
    for line in [*competition.lines, *describe_cuts(details)]:
        typer.echo(line)


def pretrain(params_file: ParamsFile = PARAMS) -> None:
    """Build a base from the competition's own text, or pin a pretrained one.

    Example: python -m pipeline pretrain
    """
    from pipeline.models.base import save_model, save_pins, save_pointer
    from pipeline.models.devices import set_up_memory
    from pipeline.models.folders import replace_directory
    from pipeline.models.pins import pin_teacher
    from pipeline.stages.pretrain import describe_adaptation, pin_parts, select_metrics
    from pipeline.stages.pretrain import pretrain as make_base
    from pipeline.tables import TEXTS, load_table, save_json
    from pipeline.training.runs import hold_run

    params = load_stage_params("pretrain", params_file)
    set_up_memory()
    parts, teacher = pin_parts(params.model), pin_teacher(params.train.distill, BASE)
    texts = load_table(PROCESSED / "text.parquet", TEXTS)
    run = find_run("pretrain", params, [PROCESSED / "text.parquet"], [*parts.values()])
    with hold_run(run, PRETRAINED) as is_done:
        if is_done:
            return
        new = make_base(texts, params, parts, run)
        with replace_directory(BASE) as folder:
            save_pointer(new.pinned, folder) if new.pinned else save_model(new.model, new.tokenizer, folder)
            save_pins(new.parts | teacher, folder)
        save_json(new.details, DETAILS / "pretrain.json")
        save_json(select_metrics(new.details), METRICS / "pretrain.json")
    if base := new.pinned:
        typer.echo(f"base: {base.name} at {base.revision or base.fingerprint[:12]}")
    for line in describe_adaptation(new.details):
        typer.echo(line)


def train(params_file: ParamsFile = PARAMS) -> None:
    """Tune the model on the training examples; goes on where a killed run stopped.

    Example: python -m pipeline train
    """
    from contextlib import nullcontext
    from dataclasses import replace
    from functools import partial

    from pipeline.models.adapter import save_adapter
    from pipeline.models.devices import set_up_memory
    from pipeline.models.folders import replace_directory
    from pipeline.models.marks import find_special_tokens
    from pipeline.models.pins import load_teacher_pins
    from pipeline.models.processes import join_processes, refuse_spread_weights, tell_all
    from pipeline.stages.train import select_metrics
    from pipeline.stages.train import train as tune_base
    from pipeline.tables import save_csv, save_json
    from pipeline.training.recipe import Recipe
    from pipeline.training.runs import hold_run
    from pipeline.training.sharding import refuse_single_process

    params = load_stage_params("train", params_file)
    hand_over("train", params.train.processes, params_file)
    is_first = join_processes()
    refuse_spread_weights(params.model)
    if params.train.parallel == "fsdp":
        refuse_single_process()
    examples = load_examples("train", "valid")
    tokens = find_special_tokens(params.model.special_tokens, examples["train"]["text"])
    base, builder = load_base_and_prompts(params, special_tokens=tokens)
    teacher = load_teacher_pins(BASE, params.train.distill)
    checkpoints = find_run("train", params, LEARNT, [base, *teacher.values()])
    recipe = Recipe(
        params.train.select_seed(params.seed),
        params.model,
        params.lora,
        params.prompt_tuning,
        params.train,
        get_generation(params),
    )
    # `dvc plots` and editors follow the file while it grows
    recipe = replace(recipe, on_log=partial(save_csv, path=PLOTS / "train.csv"))
    set_up_memory()
    # one process holds the folder for all of this run
    with hold_run(checkpoints, TRAINED) if is_first else nullcontext(False) as is_done:
        if tell_all(is_done):
            return
        tuned = tune_base(base, builder, examples, recipe, checkpoints, teacher)
        if not is_first:
            return
        with replace_directory(ADAPTER) as folder:
            save_adapter(params.train.method, tuned.model, tuned.tokenizer, folder, tokens)
        save_json(tuned.details, DETAILS / "train.json")
        save_json(select_metrics(tuned.details), METRICS / "train.json")
        save_csv(tuned.history, PLOTS / "train.csv")
