"""The command line: one thin command a stage, and what a participant does beside the graph.

The only place that prints errors and exits. torch, transformers and pandas are imported inside the commands, so that
`--help` answers at once.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.models import BaseModel
    from pipeline.params import Params, SelectedParams
    from pipeline.prompts import PromptBuilder

PROCESSED = Path("data/processed")
BASE, ADAPTER = Path("models/base"), Path("models/adapter")
METRICS, PLOTS = Path("metrics"), Path("plots")
VALID_PREDICTIONS, TEST_PREDICTIONS = Path("predictions/valid.parquet"), Path("predictions/test.parquet")
SELECTION = Path("predictions/selection.json")
SUBMISSIONS = Path("submissions")
SAMPLE = Path("data/sample")

# the sections of params.yaml that a stage may read: dvc.yaml declares the same, and a stage is given nothing else
STAGE_SECTIONS = {
    "preprocess": ("seed", "data", "preprocess", "prompt", "model", "pretrain"),
    "pretrain": ("seed", "model", "pretrain"),
    "train": ("seed", "preprocess", "prompt", "model", "lora", "train"),
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
leaderboard_app = typer.Typer(help="The scores of every configuration, and of a submission.", no_args_is_help=True)
app.add_typer(leaderboard_app, name="leaderboard", cls=_RefusingGroup)

ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters file.")]
PARAMS = Path("params.yaml")


@app.command()
def preprocess(params_file: ParamsFile = PARAMS) -> None:
    """Read the competition's files, split off validation, count what the context cuts.

    Example: python -m pipeline preprocess
    """
    from pipeline.preprocess import compute_metrics, describe_cuts
    from pipeline.tables import LABELLED, UNLABELLED, save_json, save_table

    params = _load_stage_params("preprocess", params_file)
    splits, dropped = _load_splits(params)
    metrics = compute_metrics(splits, dropped, _build_future_prompts(params, splits["train"]))
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
    from pipeline.models import replace_directory, save_model, save_pointer
    from pipeline.pretrain import build_scratch_model, build_scratch_tokenizer, collect_texts, pin_base, train_scratch
    from pipeline.tables import LABELLED, load_table, save_json

    params = _load_stage_params("pretrain", params_file)
    if params.model.name != "scratch":
        base = pin_base(params.model)
        with replace_directory(BASE) as folder:
            save_pointer(base, folder)
        save_json({"fingerprint": base.fingerprint}, METRICS / "pretrain.json")
        typer.echo(f"base: {base.name} at {base.revision or base.fingerprint[:12]}")
        return
    texts = collect_texts(load_table(PROCESSED / "train.parquet", LABELLED))
    tokenizer = build_scratch_tokenizer(texts, params.pretrain)
    model = build_scratch_model(tokenizer, params.pretrain, params.seed)
    metrics = train_scratch(model, tokenizer, texts, params.pretrain, params.model.precision, params.seed)
    with replace_directory(BASE) as folder:
        save_model(model, tokenizer, folder)
    save_json(metrics, METRICS / "pretrain.json")


@app.command()
def train(params_file: ParamsFile = PARAMS) -> None:
    """Tune a LoRA adapter on the training examples; goes on where a killed run stopped.

    Example: python -m pipeline train
    """
    import shutil
    from hashlib import sha256

    from pipeline.models import build_run_key, get_scratch_root, load_model, replace_directory
    from pipeline.tables import LABELLED, load_bytes, load_table, save_csv, save_json
    from pipeline.train import attach_lora, build_collator, build_features, build_trainer
    from pipeline.train import train as train_adapter

    params = _load_stage_params("train", params_file)
    base, builder = _load_base_and_prompts(params)
    files = {name: PROCESSED / f"{name}.parquet" for name in ("train", "valid")}
    features = {name: build_features(load_table(path, LABELLED), builder) for name, path in files.items()}
    # whatever shapes the run names its folder, so another run's checkpoint can never be picked up
    inputs = [sha256(load_bytes(path)).hexdigest() for path in files.values()]
    key = build_run_key(base.fingerprint, inputs, {name: str(value) for name, value in vars(params).items()})
    checkpoints = get_scratch_root() / "train" / key
    model, tokenizer = load_model(base, params.model)
    collator = build_collator(model, tokenizer.pad_token_id)
    adapted = attach_lora(model, params.lora, params.seed)
    trainer = build_trainer(adapted, collator, features, params.train, params.model.precision, checkpoints, params.seed)
    metrics, history = train_adapter(trainer)
    with replace_directory(ADAPTER) as folder:
        adapted.save_pretrained(folder)
    save_json(metrics, METRICS / "train.json")
    save_csv(history, PLOTS / "train.csv")
    shutil.rmtree(checkpoints, ignore_errors=True)


@app.command()
def decode(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the validation documents with every configuration of the grid.

    Example: python -m pipeline decode
    """
    import pandas as pd

    from pipeline.decode import build_untuned_configuration, compute_metrics, list_configurations
    from pipeline.decode import decode as decode_examples
    from pipeline.tables import CANDIDATES, LABELLED, load_table, save_json, save_table

    params = _load_stage_params("decode", params_file)
    base, builder = _load_base_and_prompts(params)
    valid = load_table(PROCESSED / "valid.parquet", LABELLED)
    runs = [(ADAPTER, list_configurations(params.decode))]
    if params.decode.untuned:
        runs.append((None, [build_untuned_configuration(params.decode.max_new_tokens)]))
    tables, seconds = [], {}
    for adapter, configurations in runs:
        decoder = _build_decoder(params, base, adapter, params.decode.batch_size, params.decode.engine)
        table, taken = decode_examples(decoder, builder, valid, configurations)
        tables.append(table)
        seconds |= taken
    candidates = pd.concat(tables, ignore_index=True)
    save_table(candidates, VALID_PREDICTIONS, CANDIDATES)
    save_json(compute_metrics(candidates, seconds), METRICS / "decode.json")


@app.command()
def score(params_file: ParamsFile = PARAMS) -> None:
    """Score every configuration and baseline; choose what predicts the test set.

    Example: python -m pipeline score
    """
    from pipeline import score as scoring
    from pipeline.tables import CANDIDATES, LABELLED, load_table, save_csv, save_json

    params = _load_stage_params("score", params_file)
    valid = load_table(PROCESSED / "valid.parquet", LABELLED)
    configurations = scoring.get_all_configurations(params.decode)
    rows = scoring.collect_rows(load_table(VALID_PREDICTIONS, CANDIDATES), valid)
    scored = scoring.compute_scores(rows, valid, params.score)
    leaderboard = scoring.build_leaderboard(scored, configurations, params.score, params.seed)
    selected = scoring.select_row(leaderboard, params.predict.use)
    kind = leaderboard.set_index("name").loc[selected, "kind"]
    save_csv(leaderboard, METRICS / "leaderboard.csv")
    save_json(scoring.build_metrics(leaderboard, selected, params.score, len(valid)), METRICS / "scores.json")
    save_json(scoring.build_selection(selected, kind, configurations), SELECTION)
    _print_leaderboard(selected)
    if warning := scoring.find_better_baseline(leaderboard):
        typer.secho(warning, fg="yellow")


@app.command()
def predict(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the test documents with what won.

    Example: python -m pipeline predict
    """
    from pipeline.predict import fill_empty, predict_baseline
    from pipeline.predict import predict as predict_configuration
    from pipeline.tables import PREDICTIONS, UNLABELLED, load_json, load_table, save_table

    params = _load_stage_params("predict", params_file)
    test = load_table(PROCESSED / "test.parquet", UNLABELLED)
    selection = load_json(SELECTION)
    if selection["kind"] == "baseline":
        predictions = predict_baseline(test, selection["name"])
    else:
        base, builder = _load_base_and_prompts(params)
        adapter = None if selection["kind"] == "untuned" else ADAPTER
        decoder = _build_decoder(params, base, adapter, params.predict.batch_size, "auto")
        predictions = predict_configuration(decoder, builder, test, selection)
    if params.predict.fill_empty != "refuse":
        predictions = fill_empty(predictions, test, params.predict.fill_empty)
    save_table(predictions, TEST_PREDICTIONS, PREDICTIONS)


@app.command()
def export(params_file: ParamsFile = PARAMS) -> None:
    """Write the submission in the sample submission's form, or refuse.

    Example: python -m pipeline export
    """
    from pipeline.export import build_submission
    from pipeline.formats import parse_submission_format
    from pipeline.tables import PREDICTIONS, load_bytes, load_table, save_bytes

    params = _load_stage_params("export", params_file)
    data = params.data
    form = parse_submission_format(load_bytes(Path(data.sample_submission)), data.sample_submission, *_columns(data))
    path = SUBMISSIONS / f"{params.export.name}.csv"
    save_bytes(build_submission(load_table(TEST_PREDICTIONS, PREDICTIONS), form), path)
    typer.echo(f"{path}: {len(form.ids)} summaries")


@app.command()
def check(params_file: ParamsFile = PARAMS) -> None:
    """Refuse now what would fail later, and say what a run will do. Writes nothing.

    Example: python -m pipeline check
    """
    from pipeline.check import describe_run
    from pipeline.models import load_config
    from pipeline.preprocess import compute_metrics, describe_cuts

    params = _load_params(params_file)
    splits, dropped = _load_splits(params)
    metrics = compute_metrics(splits, dropped, _build_future_prompts(params, splits["train"]))
    model = params.model
    scratch = model.name == "scratch"
    model_type = "gptj" if scratch else load_config(model.name, model.revision, model.trust_remote_code).model_type
    for line in [*describe_run(params, model_type, metrics), *describe_cuts(metrics)]:
        typer.echo(line)


@app.command()
def sample() -> None:
    """Rebuild the embedded competition, data/sample/*.csv, byte for byte.

    Example: python -m pipeline sample
    """
    from pipeline.sample import build_sample
    from pipeline.tables import save_csv

    for name, frame in build_sample().items():
        save_csv(frame, SAMPLE / f"{name}.csv")
        typer.echo(f"{SAMPLE / name}.csv: {len(frame)} rows")


@leaderboard_app.command("show")
def leaderboard_show() -> None:
    """Print the last run's leaderboard.

    Example: python -m pipeline leaderboard show
    """
    from pipeline.tables import load_json

    _print_leaderboard(load_json(SELECTION)["name"])


@leaderboard_app.command("grade")
def leaderboard_grade(
    name: Annotated[str, typer.Argument(help="A submission's name, without .csv.")],
    answers: Annotated[Path, typer.Option(help="CSV with the true summaries by id.")],
    params_file: ParamsFile = PARAMS,
) -> None:
    """Score a submission against answers, as a board would. Never select with it.

    Example: python -m pipeline leaderboard grade submission --answers data/sample/answers.csv
    """
    from pipeline.formats import parse_answers
    from pipeline.score import combine_metrics
    from pipeline.scoring.rouge import compute_rouge, describe_tokenizer
    from pipeline.tables import load_bytes

    params = _load_params(params_file)
    path = SUBMISSIONS / f"{name}.csv"
    predicted, true = (parse_answers(load_bytes(f), str(f), *_columns(params.data)) for f in (path, answers))
    if set(predicted["id"]) != set(true["id"]):
        unmatched = sorted(set(predicted["id"]) ^ set(true["id"]))
        raise InputError(
            f"{path} and {answers}: {len(unmatched)} ids stand in only one of them, first {unmatched[0]!r}"
        )
    summaries = predicted.set_index("id")["summary"].loc[true["id"]]
    metrics = compute_rouge(list(summaries), [[text] for text in true["summary"]], params.score.tokenizer)
    total = combine_metrics(metrics, params.score.weights).mean()
    parts = "  ".join(f"{metric} {value:.4f}" for metric, value in metrics.mean().items())
    typer.echo(f"{path}: score {total:.4f}  {parts}  on {describe_tokenizer(params.score.tokenizer)}")


def _load_params(path: Path) -> "Params":
    from pipeline.params import parse_params
    from pipeline.tables import load_bytes

    try:
        return parse_params(load_bytes(path).decode(), str(path))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8") from error


def _load_stage_params(stage: str, path: Path) -> "SelectedParams":
    return _load_params(path).select(*STAGE_SECTIONS[stage])


def _columns(data: Any) -> tuple[Any, str]:
    from pipeline.formats import Columns

    return Columns(id=data.id_column, text=data.text_column, summary=data.summary_column), data.encoding


def _load_splits(params: Any) -> tuple[dict[str, Any], list[str]]:
    from pipeline.preprocess import parse_competition
    from pipeline.tables import load_bytes

    data, contents, mistakes = params.data, {}, []
    for name in (data.train, data.test, data.sample_submission):
        try:
            contents[name] = load_bytes(Path(name))
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return parse_competition(contents, data, params.preprocess, params.seed)


def _build_future_prompts(params: Any, train: Any) -> "PromptBuilder":
    """The prompts of the model that pretrain will make or pin, before it has."""
    from pipeline.models import BaseModel, load_prompt_builder
    from pipeline.pretrain import build_scratch_tokenizer, collect_texts
    from pipeline.prompts import PromptBuilder

    model, truncation = params.model, params.preprocess.truncation
    if model.name != "scratch":
        return load_prompt_builder(BaseModel(model.name, model.revision, ""), model, params.prompt, truncation)
    tokenizer = build_scratch_tokenizer(collect_texts(train), params.pretrain)
    return PromptBuilder(tokenizer, params.prompt, truncation, params.pretrain.n_positions, False)


def _load_base_and_prompts(params: Any) -> "tuple[BaseModel, PromptBuilder]":
    """The base that pretrain made or pinned, and its prompts."""
    from pipeline.models import load_base, load_prompt_builder

    base = load_base(BASE)
    return base, load_prompt_builder(base, params.model, params.prompt, params.preprocess.truncation)


def _build_decoder(params: Any, base: "BaseModel", adapter: Path | None, batch_size: int | None, engine: str) -> Any:
    """The tuned model, or the base alone, ready to decode; its candidates are remembered by what it consists of."""
    import torch
    import transformers

    from pipeline.decoding.generate import Decoder
    from pipeline.models import build_run_key, compute_fingerprint, load_model

    model, tokenizer = load_model(base, params.model, adapter)
    tuned = None if adapter is None else compute_fingerprint(adapter)
    versions = torch.__version__, transformers.__version__
    key = build_run_key(base.fingerprint, tuned, model.dtype, model.device.type, versions)
    return Decoder(model, tokenizer, batch_size, params.seed, engine, key)


def _print_leaderboard(selected: str) -> None:
    import io

    import pandas as pd
    from rich.console import Console

    from pipeline.leaderboard import render_leaderboard
    from pipeline.tables import load_bytes

    board = pd.read_csv(io.BytesIO(load_bytes(METRICS / "leaderboard.csv")))
    with suppress(BrokenPipeError):
        # a pipe has no width of its own; the table must not be folded to 80 columns there
        Console(width=None if Console().is_terminal else 160).print(render_leaderboard(board, selected))
