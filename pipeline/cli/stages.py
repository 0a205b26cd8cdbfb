"""One thin command a stage: load its params, read, call, write."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.generation import describe_splits, get_generation
from pipeline.cli.leaderboard import list_submission, print_leaderboard
from pipeline.cli.loading import (
    ModelFiles,
    ParamsFile,
    build_future_prompts,
    collect_pretraining_texts,
    find_run,
    list_pretraining_splits,
    load_base_and_prompts,
    load_examples,
    load_external,
    load_externals,
    load_params,
    load_splits,
    load_submission_form,
    load_test_documents,
)
from pipeline.paths import (
    ADAPTER,
    BASE,
    DETAILS,
    LEADERBOARD,
    METRICS,
    PARAMS,
    PLOTS,
    PRETRAINED,
    PROCESSED,
    SELECTION,
    SUBMISSIONS,
    TEST_PREDICTIONS,
    TRAINED,
    TRUNCATION,
    VALID_PREDICTIONS,
    VALID_SCORES,
)

if TYPE_CHECKING:
    from pipeline.params.reading import SelectedParams

# the sections of params.yaml that a stage may read: dvc.yaml declares the same, and a stage is given nothing else
STAGE_SECTIONS = {
    "preprocess": ("seed", "task", "data", "preprocess", "prompt", "generation", "model", "pretrain"),
    "pretrain": ("seed", "model", "pretrain", "train.distill.teacher", "train.distill.trust_remote_code"),
    "train": ("seed", "task", "prompt", "generation", "model", "lora", "prompt_tuning", "train"),
    "decode": ("seed", "task", "prompt", "model", "decode"),
    "score": ("seed", "task", "decode", "score", "predict"),
    "predict": ("seed", "task", "prompt", "model", "predict"),
    "export": ("task", "data", "generation", "export"),
}


# of data/processed, what train learns from
LEARNT = ("train.parquet", "valid.parquet", TRUNCATION.name)


def preprocess(params_file: ParamsFile = PARAMS) -> None:
    """Read the competition's files, split off validation, clean, count what the context cuts.

    Example: python -m pipeline preprocess
    """
    from pipeline.models.truncation import save_truncation
    from pipeline.stages.preprocess import describe_cuts, select_metrics
    from pipeline.tables import LABELLED, TEXTS, UNLABELLED, save_csv, save_json, save_table

    params = _load_stage_params("preprocess", params_file)
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

    params = _load_stage_params("pretrain", params_file)
    set_up_memory()
    parts, teacher = pin_parts(params.model), pin_teacher(params.train.distill, BASE)
    texts, run = (
        load_table(PROCESSED / "text.parquet", TEXTS),
        find_run("pretrain", params, ["text.parquet"], [*parts.values()]),
    )
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

    params = _load_stage_params("train", params_file)
    _hand_over("train", params.train.processes, params_file)
    is_first = join_processes()
    refuse_spread_weights(params.model)
    examples = load_examples("train", "valid")
    tokens = find_special_tokens(params.model.special_tokens, examples["train"]["text"])
    base, builder = load_base_and_prompts(params, special_tokens=tokens)
    teacher = load_teacher_pins(BASE, params.train.distill)
    checkpoints = find_run("train", params, LEARNT, [base, *teacher.values()])
    recipe = Recipe(params.seed, params.model, params.lora, params.prompt_tuning, params.train, get_generation(params))
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


def decode(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the validation documents with every configuration of the grid.

    Example: python -m pipeline decode
    """
    from pipeline.models.processes import join_processes
    from pipeline.stages.decode import decode as decode_grid
    from pipeline.stages.decode import decode_openings, describe_rounds
    from pipeline.tables import CANDIDATES, CONTINUATIONS, save_json, save_table

    params = _load_stage_params("decode", params_file)
    _hand_over("decode", params.decode.processes, params_file)
    is_first = join_processes()
    source = ModelFiles(params, params.decode.batch_size, params.decode.engine)
    is_summarized = params.task == "summarization"
    run = decode_grid if is_summarized else decode_openings
    decoded = run(load_examples("valid")["valid"], params.decode, source)
    if not is_first:
        return
    save_table(decoded.candidates, VALID_PREDICTIONS, CANDIDATES if is_summarized else CONTINUATIONS)
    save_json(decoded.details, DETAILS / "decode.json")
    if decoded.rounds:
        typer.echo(describe_rounds(decoded.rounds))


def score(params_file: ParamsFile = PARAMS) -> None:
    """Score every configuration and baseline; choose what predicts the test set.

    Example: python -m pipeline score
    """
    from pipeline.stages.score import score as rank_rows
    from pipeline.stages.score import score_texts, select_metrics
    from pipeline.tables import (
        CANDIDATES,
        CONTINUATIONS,
        SCORES,
        load_json,
        load_table,
        save_csv,
        save_json,
        save_table,
    )

    params = _load_stage_params("score", params_file)
    examples, seconds = load_examples("train", "valid"), load_json(DETAILS / "decode.json")["seconds_by_configuration"]
    if params.task == "generation":
        candidates = load_table(VALID_PREDICTIONS, CONTINUATIONS)
        scored = score_texts(candidates, examples["valid"], list(examples["train"]["text"]), seconds, params)
    else:
        candidates = load_table(VALID_PREDICTIONS, CANDIDATES)
        externals = load_externals(params.score.external, examples["valid"])
        overlap = load_json(DETAILS / "preprocess.json")["word_overlap"]
        scored = rank_rows(candidates, examples["valid"], externals, seconds, overlap, params)
    save_table(scored.scores, VALID_SCORES, SCORES)
    save_csv(scored.leaderboard, LEADERBOARD)
    save_json(scored.details, DETAILS / "scores.json")
    save_json(select_metrics(scored.details), METRICS / "scores.json")
    save_json(scored.selection, SELECTION)
    print_leaderboard(scored.selection["name"])
    for line in scored.remarks:
        typer.echo(line)
    if scored.warning:
        typer.secho(scored.warning, fg="yellow")


def predict(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the test documents with what won.

    Example: python -m pipeline predict
    """
    from pipeline.models.processes import join_processes
    from pipeline.stages.predict import fill_empty, needs_model
    from pipeline.stages.predict import predict as predict_selected
    from pipeline.tables import PREDICTIONS, UNLABELLED, load_json, load_table, save_table

    params = _load_stage_params("predict", params_file)
    selection = load_json(SELECTION)
    if needs_model(selection):
        _hand_over("predict", params.predict.processes, params_file)
    is_first, test = join_processes(), load_table(PROCESSED / "test.parquet", UNLABELLED)
    external = load_external(Path(selection["file"]), selection["sha256"]) if "file" in selection else None
    source = ModelFiles(params, params.predict.batch_size, selection.get("engine", "auto"))
    predictions = predict_selected(test, selection, source, external)
    if params.predict.fill_empty != "refuse":
        predictions = fill_empty(predictions, test, params.predict.fill_empty)
    if is_first:
        save_table(predictions, TEST_PREDICTIONS, PREDICTIONS)


def export(params_file: ParamsFile = PARAMS) -> None:
    """Write the submission in the sample submission's form, or refuse.

    Example: python -m pipeline export
    """
    from pipeline.history.submissions import save_texts
    from pipeline.stages.export import build_submission, build_text_files, join_openings
    from pipeline.tables import PREDICTIONS, load_table, save_bytes

    params, listed = _load_stage_params("export", params_file), load_params(params_file)
    path = SUBMISSIONS / f"{params.export.name}.{params.export.format.suffix}"
    form, documents = load_submission_form(params), load_test_documents(params)
    predictions = load_table(TEST_PREDICTIONS, PREDICTIONS)
    if generation := get_generation(params):
        predictions = join_openings(predictions, documents, generation.include_opening)
    content = build_submission(predictions, form, documents)
    if generation:
        save_texts(build_text_files(predictions), SUBMISSIONS / params.export.name)
    save_bytes(content, path)
    typer.echo(f"{path}: {len(form.ids)} {'texts, and a file of each beside it' if generation else 'summaries'}")
    list_submission(params.export.name, content, listed)


def _hand_over(stage: str, processes: int, params_file: Path) -> None:
    """Leaves a command to several processes, if it was asked to be theirs and is not yet."""
    from pipeline.models.processes import launch_processes, needs_processes

    if needs_processes(processes):
        raise typer.Exit(launch_processes(processes, [stage, "--params", str(params_file)]))


def _load_stage_params(stage: str, path: Path) -> "SelectedParams":
    return load_params(path).select(*STAGE_SECTIONS[stage])
