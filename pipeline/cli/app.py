"""The command line: one thin command a stage, and what a participant does beside the graph.

The only place that prints errors and exits. torch, transformers and pandas are imported inside the commands, so that
`--help` answers at once.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from pipeline.cli.experiments import compare, folds
from pipeline.cli.leaderboard import leaderboard_app, print_leaderboard
from pipeline.cli.loading import (
    ADAPTER,
    BASE,
    METRICS,
    PARAMS,
    PLOTS,
    PROCESSED,
    SAMPLE,
    SELECTION,
    SUBMISSIONS,
    TEST_PREDICTIONS,
    VALID_PREDICTIONS,
    VALID_SCORES,
    ParamsFile,
    build_decoder,
    build_future_prompts,
    get_columns,
    load_base_and_prompts,
    load_external,
    load_params,
    load_splits,
    load_tuned_and_prompts,
)
from pipeline.cli.preset import preset_app
from pipeline.errors import InputError
from pipeline.history.experiments import append_to_ledger

if TYPE_CHECKING:
    from pipeline.params.reading import SelectedParams

# the sections of params.yaml that a stage may read: dvc.yaml declares the same, and a stage is given nothing else
STAGE_SECTIONS = {
    "preprocess": ("seed", "data", "preprocess", "prompt", "model", "pretrain"),
    "pretrain": ("seed", "model", "pretrain"),
    "train": ("seed", "preprocess", "prompt", "model", "lora", "prompt_tuning", "train"),
    "decode": ("seed", "preprocess", "prompt", "model", "decode"),
    "score": ("seed", "decode", "score", "predict"),
    "predict": ("seed", "preprocess", "prompt", "model", "predict"),
    "export": ("data", "export"),
}


class _RefusingGroup(TyperGroup):
    """Turns "your input" errors into their lines on stderr and exit status 2; bugs keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            for mistake in error.mistakes:
                typer.secho(mistake, err=True, fg="red")
        except OSError as error:
            if error.errno is None:
                raise
            typer.secho(f"{error.filename or 'disk'}: {error.strerror}", err=True, fg="red")
        raise typer.Exit(2)


app = typer.Typer(
    cls=_RefusingGroup,
    help="Yoyak: from a Korean summarization competition's train.csv to the submission.csv.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(leaderboard_app, name="leaderboard", cls=_RefusingGroup)
app.add_typer(preset_app, name="preset", cls=_RefusingGroup)


@app.command()
def preprocess(params_file: ParamsFile = PARAMS) -> None:
    """Read the competition's files, split off validation, count what the context cuts.

    Example: python -m pipeline preprocess
    """
    from pipeline.stages.preprocess import compute_metrics, describe_cuts
    from pipeline.tables import LABELLED, UNLABELLED, save_json, save_table

    params = _load_stage_params("preprocess", params_file)
    splits, dropped = load_splits(params)
    metrics = compute_metrics(splits, dropped, build_future_prompts(params, splits["train"]))
    for name, frame in splits.items():
        save_table(frame, PROCESSED / f"{name}.parquet", UNLABELLED if name == "test" else LABELLED)
    save_json(metrics, METRICS / "preprocess.json")
    for line in describe_cuts(metrics):
        typer.echo(line)


@app.command()
def pretrain(params_file: ParamsFile = PARAMS) -> None:
    """Build a base from the competition's own text, or pin a pretrained one.

    Example: python -m pipeline pretrain
    """
    from pipeline.models.base import get_scratch_root, replace_directory, save_pointer
    from pipeline.models.devices import set_up_memory
    from pipeline.models.loading import save_model
    from pipeline.models.pair import PAIR, build_pair, load_pair_tokenizer
    from pipeline.stages.pretrain import build_scratch_base, collect_texts, pin_base
    from pipeline.tables import LABELLED, load_table, save_json

    params = _load_stage_params("pretrain", params_file)
    if params.model.name == PAIR:
        tokenizer = load_pair_tokenizer(params.model)
        model = build_pair(params.model, tokenizer, params.seed)
        with replace_directory(BASE) as folder:
            save_model(model, tokenizer, folder)
        save_json({"parameters": model.num_parameters()}, METRICS / "pretrain.json")
        return
    if params.model.name != "scratch":
        base = pin_base(params.model)
        with replace_directory(BASE) as folder:
            save_pointer(base, folder)
        save_json({"fingerprint": base.fingerprint}, METRICS / "pretrain.json")
        typer.echo(f"base: {base.name} at {base.revision or base.fingerprint[:12]}")
        return
    texts = collect_texts(load_table(PROCESSED / "train.parquet", LABELLED))
    folder = get_scratch_root() / "pretrain"
    set_up_memory()
    model, tokenizer, metrics = build_scratch_base(texts, params.pretrain, params.model.precision, folder, params.seed)
    with replace_directory(BASE) as folder:
        save_model(model, tokenizer, folder)
    save_json(metrics, METRICS / "pretrain.json")


@app.command()
def train(params_file: ParamsFile = PARAMS) -> None:
    """Tune the model on the training examples; goes on where a killed run stopped.

    Example: python -m pipeline train
    """
    import shutil
    from hashlib import sha256

    from pipeline.models.base import build_run_key, get_scratch_root, replace_directory
    from pipeline.models.devices import set_up_memory
    from pipeline.models.loading import load_model, save_model
    from pipeline.models.methods import METHOD_FILE, get_virtual_tokens
    from pipeline.stages.train import Recipe, build_objective, get_tunable_params, tune
    from pipeline.tables import LABELLED, load_bytes, load_table, save_csv, save_json

    params = _load_stage_params("train", params_file)
    _hand_over("train", params.train.processes, params_file)
    base, builder = load_base_and_prompts(params)
    builder = builder.reserve(get_virtual_tokens(params.train.method, params.prompt_tuning))
    files = {name: PROCESSED / f"{name}.parquet" for name in ("train", "valid")}
    # whatever shapes the run names its folder, so another run's checkpoint can never be picked up
    inputs = [sha256(load_bytes(path)).hexdigest() for path in files.values()]
    key = build_run_key(base.fingerprint, inputs, {name: str(value) for name, value in vars(params).items()})
    checkpoints = get_scratch_root() / "train" / key
    recipe = Recipe(params.seed, params.model, params.lora, params.prompt_tuning, params.train)
    model, tokenizer = load_model(base, get_tunable_params(recipe))
    examples = {name: load_table(path, LABELLED) for name, path in files.items()}
    objective = build_objective(params.train, params.model, tokenizer)
    set_up_memory()
    trainer, metrics, history = tune(model, builder, examples, recipe, objective, checkpoints)
    if not trainer.is_world_process_zero():
        return
    with replace_directory(ADAPTER) as folder:
        if params.train.method == "none":
            save_json({"method": "none"}, folder / METHOD_FILE)
        else:
            save_model(trainer.model, tokenizer, folder)
    save_json(metrics, METRICS / "train.json")
    save_csv(history, PLOTS / "train.csv")
    shutil.rmtree(checkpoints, ignore_errors=True)


@app.command()
def decode(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the validation documents with every configuration of the grid.

    Example: python -m pipeline decode
    """
    import pandas as pd

    from pipeline.models.processes import join_processes
    from pipeline.stages.decode import compute_metrics, describe_rounds, list_untuned, search_grid
    from pipeline.stages.decode import decode as decode_examples
    from pipeline.tables import CANDIDATES, LABELLED, load_table, save_json, save_table

    params = _load_stage_params("decode", params_file)
    _hand_over("decode", params.decode.processes, params_file)
    is_first = join_processes()
    base, builder = load_tuned_and_prompts(params)
    valid = load_table(PROCESSED / "valid.parquet", LABELLED)
    load = partial(build_decoder, params, base, batch_size=params.decode.batch_size, engine=params.decode.engine)
    table, effort, rounds = search_grid(load(ADAPTER), builder, valid, params.decode)
    tables = [table]
    # one base for both rows of it, loaded when the tuned model is gone
    untuned_rows = list_untuned(params.decode)
    bare = load(None) if untuned_rows else None
    for untuned in untuned_rows:
        builder = load_base_and_prompts(params, untuned.shots)[1]
        table, own = decode_examples(bare, builder, valid, [untuned])
        tables.append(table)
        effort.add(own)
    if not is_first:
        return
    candidates = pd.concat(tables, ignore_index=True)
    save_table(candidates, VALID_PREDICTIONS, CANDIDATES)
    save_json(compute_metrics(candidates, effort, rounds), METRICS / "decode.json")
    if rounds:
        typer.echo(describe_rounds(rounds))


@app.command()
def score(params_file: ParamsFile = PARAMS) -> None:
    """Score every configuration and baseline; choose what predicts the test set.

    Example: python -m pipeline score
    """
    from pipeline.scoring.rouge.comparison import Rouge
    from pipeline.scoring.rows import collect_rows, compute_scores
    from pipeline.stages import score as scoring
    from pipeline.tables import CANDIDATES, LABELLED, SCORES, load_json, load_table, save_csv, save_json, save_table

    params = _load_stage_params("score", params_file)
    valid = load_table(PROCESSED / "valid.parquet", LABELLED)
    candidates = load_table(VALID_PREDICTIONS, CANDIDATES)
    externals = [load_external(Path(file)) for file in params.score.external]
    rouge = Rouge(params.score.tokenizer)
    scored = compute_scores(collect_rows(candidates, valid, externals), valid, params.score, rouge)
    scored, pools = scoring.add_consensus(scored, candidates, valid, params, rouge)
    entries = [*scoring.get_all_configurations(params.decode), *externals, *pools]
    seconds = load_json(METRICS / "decode.json")["seconds_by_configuration"]
    leaderboard = scoring.build_leaderboard(scored, entries, seconds, params.score, params.seed)
    selected = scoring.select_row(leaderboard, params.predict.use)
    kind = leaderboard.set_index("name").loc[selected, "kind"]
    save_table(scored, VALID_SCORES, SCORES)
    save_csv(leaderboard, METRICS / "leaderboard.csv")
    save_json(scoring.build_metrics(leaderboard, scored, selected, params.score, params.seed), METRICS / "scores.json")
    save_json(scoring.build_selection(selected, kind, entries, params.score), SELECTION)
    print_leaderboard(selected)
    if warning := scoring.find_better_baseline(leaderboard):
        typer.secho(warning, fg="yellow")


@app.command()
def predict(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the test documents with what won.

    Example: python -m pipeline predict
    """
    from pipeline.models.processes import join_processes
    from pipeline.stages.predict import fill_empty, predict_baseline, predict_consensus, predict_external
    from pipeline.stages.predict import predict as predict_configuration
    from pipeline.tables import PREDICTIONS, UNLABELLED, load_json, load_table, save_table

    params = _load_stage_params("predict", params_file)
    _hand_over("predict", params.predict.processes, params_file)
    is_first = join_processes()
    test = load_table(PROCESSED / "test.parquet", UNLABELLED)
    selection = load_json(SELECTION)
    if selection["kind"] == "baseline":
        predictions = predict_baseline(test, selection["name"])
    elif selection["kind"] == "external":
        external = load_external(Path(selection["file"]), selection["sha256"])
        predictions = predict_external(test, external)
    else:
        is_untuned = selection["kind"] == "untuned"
        base, builder = (
            load_base_and_prompts(params, selection["shots"]) if is_untuned else load_tuned_and_prompts(params)
        )
        adapter = None if is_untuned else ADAPTER
        decoder = build_decoder(params, base, adapter, params.predict.batch_size, "auto")
        predict_selected = predict_consensus if selection["kind"] == "consensus" else predict_configuration
        predictions = predict_selected(decoder, builder, test, selection)
    if not is_first:
        return
    if params.predict.fill_empty != "refuse":
        predictions = fill_empty(predictions, test, params.predict.fill_empty)
    save_table(predictions, TEST_PREDICTIONS, PREDICTIONS)


@app.command()
def export(params_file: ParamsFile = PARAMS) -> None:
    """Write the submission in the sample submission's form, or refuse.

    Example: python -m pipeline export
    """
    from pipeline.competition.formats import parse_submission_format
    from pipeline.stages.export import build_submission, override_format
    from pipeline.tables import PREDICTIONS, load_bytes, load_table, save_bytes

    params = _load_stage_params("export", params_file)
    data = params.data
    form = parse_submission_format(load_bytes(Path(data.sample_submission)), data.sample_submission, *get_columns(data))
    path = SUBMISSIONS / f"{params.export.name}.{params.export.format.suffix}"
    form = override_format(form, params.export.format)
    content = build_submission(load_table(TEST_PREDICTIONS, PREDICTIONS), form)
    save_bytes(content, path)
    typer.echo(f"{path}: {len(form.ids)} summaries")
    append_to_ledger(params.export.name, content, data, params_file)


@app.command()
def check(params_file: ParamsFile = PARAMS) -> None:
    """Refuse now what would fail later, and say what a run will do. Writes nothing.

    Example: python -m pipeline check
    """
    from pipeline.preflight.check import build_planned_model, describe_peak, describe_run
    from pipeline.stages.preprocess import compute_metrics, describe_cuts

    params = load_params(params_file)
    splits, dropped = load_splits(params)
    builder = build_future_prompts(params, splits["train"])
    model = build_planned_model(params, builder.tokenizer)
    metrics = compute_metrics(splits, dropped, builder)
    lines = [*describe_run(params, model.config.model_type, metrics), *describe_cuts(metrics)]
    for line in [*lines, *describe_peak(params, model, metrics, builder)]:
        typer.echo(line)


@app.command()
def sample() -> None:
    """Rebuild the embedded competition, data/sample/*.csv, byte for byte.

    Example: python -m pipeline sample
    """
    from pipeline.competition.sample import build_sample
    from pipeline.tables import save_csv

    for name, frame in build_sample().items():
        save_csv(frame, SAMPLE / f"{name}.csv")
        typer.echo(f"{SAMPLE / name}.csv: {len(frame)} rows")


def _hand_over(stage: str, processes: int, params_file: Path) -> None:
    """Leaves a command to several processes, if it was asked to be theirs and is not yet."""
    from pipeline.models.processes import launch_processes, needs_processes

    if needs_processes(processes):
        raise typer.Exit(launch_processes(processes, [stage, "--params", str(params_file)]))


def _load_stage_params(stage: str, path: Path) -> "SelectedParams":
    return load_params(path).select(*STAGE_SECTIONS[stage])


app.command()(compare)
app.command()(folds)
