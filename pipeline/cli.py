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
    import pandas as pd
    from rich.table import Table

    from pipeline.compare import Experiment
    from pipeline.models import BaseModel
    from pipeline.params import Params, SelectedParams
    from pipeline.preset import Preset
    from pipeline.prompts import PromptBuilder
    from pipeline.scoring.rows import External

PROCESSED = Path("data/processed")
BASE, ADAPTER = Path("models/base"), Path("models/adapter")
METRICS, PLOTS = Path("metrics"), Path("plots")
VALID_SCORES = Path("predictions/scores.parquet")
VALID_PREDICTIONS, TEST_PREDICTIONS = Path("predictions/valid.parquet"), Path("predictions/test.parquet")
SELECTION = Path("predictions/selection.json")
SUBMISSIONS = Path("submissions")
EXTERNAL = Path("data/external")
LEDGER = SUBMISSIONS / "ledger.csv"
SAMPLE = Path("data/sample")
PRESETS = Path("presets")
WORKSPACE = "workspace"

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
leaderboard_app = typer.Typer(help="The scores of every configuration, and of a submission.", no_args_is_help=True)
app.add_typer(leaderboard_app, name="leaderboard", cls=_RefusingGroup)
preset_app = typer.Typer(help="Settings for a model, laid over params.yaml.", no_args_is_help=True)
app.add_typer(preset_app, name="preset", cls=_RefusingGroup)

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
    from pipeline.devices import select_device, select_precision
    from pipeline.models import get_scratch_root, replace_directory, save_model, save_pointer
    from pipeline.pair import PAIR, build_pair, load_pair_tokenizer
    from pipeline.pretrain import (
        build_blocks,
        build_pretraining_arguments,
        build_scratch_model,
        build_scratch_tokenizer,
        collect_texts,
        pin_base,
        train_scratch,
    )
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
    tokenizer = build_scratch_tokenizer(texts, params.pretrain)
    model = build_scratch_model(tokenizer, params.pretrain, params.seed)
    precision = select_precision(params.model.precision, select_device(), model.config.model_type)
    arguments = build_pretraining_arguments(params.pretrain, precision, get_scratch_root() / "pretrain", params.seed)
    metrics = train_scratch(model, tokenizer, build_blocks(texts, tokenizer, params.pretrain.block_size), arguments)
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

    from pipeline.methods import METHOD_FILE, get_virtual_tokens
    from pipeline.models import build_run_key, get_scratch_root, load_model, replace_directory, save_model
    from pipeline.tables import LABELLED, load_bytes, load_table, save_csv, save_json
    from pipeline.train import Recipe, build_objective, get_tunable_params, launch_processes, needs_processes, tune

    params = _load_stage_params("train", params_file)
    if needs_processes(params.train):
        raise typer.Exit(launch_processes(params.train.processes, ["train", "--params", str(params_file)]))
    base, builder = _load_base_and_prompts(params)
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

    from pipeline.decode import build_untuned_configuration, compute_metrics, list_configurations
    from pipeline.decode import decode as decode_examples
    from pipeline.methods import load_method
    from pipeline.tables import CANDIDATES, LABELLED, load_table, save_json, save_table

    params = _load_stage_params("decode", params_file)
    base, builder = _load_base_and_prompts(params)
    builder = builder.reserve(load_method(ADAPTER)["virtual_tokens"])
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
    from pipeline.scoring.rows import collect_rows, compute_scores
    from pipeline.tables import CANDIDATES, LABELLED, SCORES, load_json, load_table, save_csv, save_json, save_table

    params = _load_stage_params("score", params_file)
    valid = load_table(PROCESSED / "valid.parquet", LABELLED)
    candidates = load_table(VALID_PREDICTIONS, CANDIDATES)
    externals = [_load_external(Path(file)) for file in params.score.external]
    scored = compute_scores(collect_rows(candidates, valid, externals), valid, params.score)
    scored, pools = scoring.add_consensus(scored, candidates, valid, params)
    entries = [*scoring.get_all_configurations(params.decode), *externals, *pools]
    seconds = load_json(METRICS / "decode.json")["seconds_by_configuration"]
    leaderboard = scoring.build_leaderboard(scored, entries, seconds, params.score, params.seed)
    selected = scoring.select_row(leaderboard, params.predict.use)
    kind = leaderboard.set_index("name").loc[selected, "kind"]
    save_table(scored, VALID_SCORES, SCORES)
    save_csv(leaderboard, METRICS / "leaderboard.csv")
    save_json(scoring.build_metrics(leaderboard, scored, selected, params.score, params.seed), METRICS / "scores.json")
    save_json(scoring.build_selection(selected, kind, entries, params.score), SELECTION)
    _print_leaderboard(selected)
    if warning := scoring.find_better_baseline(leaderboard):
        typer.secho(warning, fg="yellow")


@app.command()
def predict(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the test documents with what won.

    Example: python -m pipeline predict
    """
    from pipeline.methods import load_method
    from pipeline.predict import fill_empty, predict_baseline, predict_consensus, predict_external
    from pipeline.predict import predict as predict_configuration
    from pipeline.tables import PREDICTIONS, UNLABELLED, load_json, load_table, save_table

    params = _load_stage_params("predict", params_file)
    test = load_table(PROCESSED / "test.parquet", UNLABELLED)
    selection = load_json(SELECTION)
    if selection["kind"] == "baseline":
        predictions = predict_baseline(test, selection["name"])
    elif selection["kind"] == "external":
        external = _load_external(Path(selection["file"]), selection["sha256"])
        predictions = predict_external(test, external.summaries, external.file)
    else:
        base, builder = _load_base_and_prompts(params)
        builder = builder.reserve(load_method(ADAPTER)["virtual_tokens"])
        adapter = None if selection["kind"] == "untuned" else ADAPTER
        decoder = _build_decoder(params, base, adapter, params.predict.batch_size, "auto")
        predict_selected = predict_consensus if selection["kind"] == "consensus" else predict_configuration
        predictions = predict_selected(decoder, builder, test, selection)
    if params.predict.fill_empty != "refuse":
        predictions = fill_empty(predictions, test, params.predict.fill_empty)
    save_table(predictions, TEST_PREDICTIONS, PREDICTIONS)


@app.command()
def export(params_file: ParamsFile = PARAMS) -> None:
    """Write the submission in the sample submission's form, or refuse.

    Example: python -m pipeline export
    """
    from pipeline.export import build_submission, override_format
    from pipeline.formats import parse_submission_format
    from pipeline.tables import PREDICTIONS, load_bytes, load_table, save_bytes

    params = _load_stage_params("export", params_file)
    data = params.data
    form = parse_submission_format(load_bytes(Path(data.sample_submission)), data.sample_submission, *_columns(data))
    path = SUBMISSIONS / f"{params.export.name}.csv"
    form = override_format(form, params.export.format)
    content = build_submission(load_table(TEST_PREDICTIONS, PREDICTIONS), form)
    save_bytes(content, path)
    typer.echo(f"{path}: {len(form.ids)} summaries")
    _append_to_ledger(params.export.name, content, data, params_file)


@app.command()
def check(params_file: ParamsFile = PARAMS) -> None:
    """Refuse now what would fail later, and say what a run will do. Writes nothing.

    Example: python -m pipeline check
    """
    from pipeline.check import build_planned_model, describe_peak, describe_run
    from pipeline.preprocess import compute_metrics, describe_cuts

    params = _load_params(params_file)
    splits, dropped = _load_splits(params)
    builder = _build_future_prompts(params, splits["train"])
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
    from pipeline.sample import build_sample
    from pipeline.tables import save_csv

    for name, frame in build_sample().items():
        save_csv(frame, SAMPLE / f"{name}.csv")
        typer.echo(f"{SAMPLE / name}.csv: {len(frame)} rows")


@app.command()
def compare(
    before: Annotated[str, typer.Argument(help="A DVC experiment, a git revision, or workspace.")],
    after: Annotated[str, typer.Argument(help="Another.")] = WORKSPACE,
    params_file: ParamsFile = PARAMS,
) -> None:
    """Say whether one experiment is better than another on the same validation documents, and where.

    Example: python -m pipeline compare main workspace
    """
    from pipeline.compare import compare_experiments, describe_comparison

    params = _load_params(params_file)
    first, second = _load_experiment(before), _load_experiment(after)
    result = compare_experiments(first, second, params.score.resamples, params.score.confidence, params.seed)
    for line in describe_comparison(first, second, result, params.score.confidence):
        typer.echo(line)


@app.command()
def folds(params_file: ParamsFile = PARAMS) -> None:
    """Run every fold through DVC's queue, pool what they score out of fold, and make the consensus of their models.

    Folds that have run with these params and this commit are not run again. The consensus is written as
    data/external/folds.csv, which score.external ranks and predict.use: folds submits.

    Example: python -m pipeline folds
    """
    from pipeline.folds import build_fold_consensus, describe_folds, pool_scores
    from pipeline.tables import PREDICTIONS, parse_table, save_csv

    params = _load_params(params_file)
    count, score = params.preprocess.folds, params.score
    if count is None:
        raise InputError(f"{params_file}: preprocess.folds: say how many folds there are to be, as 5")
    names = _name_folds(params, count)
    _run_missing_experiments({name: f"preprocess.fold={fold}" for fold, name in enumerate(names)})
    experiments = [_load_experiment(name) for name in names]
    pooled = pool_scores([experiment.scores for experiment in experiments])
    rows = [experiment.row for experiment in experiments]
    for line in describe_folds(pooled, rows, score.resamples, score.confidence, params.seed):
        typer.echo(line)
    tests = [parse_table(_load_revision(n, TEST_PREDICTIONS), f"{TEST_PREDICTIONS} of {n}", PREDICTIONS) for n in names]
    consensus = build_fold_consensus(tests, score.tokenizer, score.weights)
    out_of_fold = pooled.rename(columns={"text": "summary"})[["id", "summary"]]
    save_csv(_concatenate(out_of_fold, consensus), EXTERNAL / "folds.csv")
    typer.echo(f"{EXTERNAL / 'folds.csv'}: out-of-fold summaries, and the consensus of {count} models for the test set")


def _concatenate(*frames: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _name_folds(params: "Params", count: int) -> list[str]:
    """Names of the folds' experiments; another setting or commit has other names, so that nothing stale is pooled."""
    from hashlib import sha256

    preprocess = params.preprocess.model_copy(update={"fold": 0})
    shape = params.model_copy(update={"preprocess": preprocess}).model_dump_json() + _describe_git()[0]
    digest = sha256(shape.encode()).hexdigest()[:8]
    return [f"fold{fold}-{digest}" for fold in range(count)]


def _run_missing_experiments(changes: dict[str, str]) -> None:
    """Queues the experiments that do not exist and runs the queue; progress goes to the terminal."""
    import subprocess

    def exists(name: str) -> bool:
        with suppress(InputError):
            return bool(_load_revision(name, SELECTION))
        return False

    missing = [name for name in changes if not exists(name)]
    if not missing:
        return
    for name in missing:
        subprocess.run(["dvc", "exp", "run", "--quiet", "--queue", "-n", name, "-S", changes[name]], check=True)
    subprocess.run(["dvc", "exp", "run", "--run-all", "--jobs", "1"], check=True)
    if failed := [name for name in missing if not exists(name)]:
        raise InputError(f"folds: {', '.join(failed)} failed; dvc queue logs NAME says why")


@leaderboard_app.command("show")
def leaderboard_show() -> None:
    """Print the last run's leaderboard, and the submissions with the board's answers.

    Example: python -m pipeline leaderboard show
    """
    from pipeline.ledger import describe_ledger, parse_ledger, render_table
    from pipeline.tables import load_bytes, load_json

    if not LEDGER.is_file() or SELECTION.is_file():
        _print_leaderboard(load_json(SELECTION)["name"])
    if LEDGER.is_file():
        rows = parse_ledger(load_bytes(LEDGER), str(LEDGER))
        _print_table(render_table(rows))
        for line in describe_ledger(rows):
            typer.echo(line)


@leaderboard_app.command("record")
def leaderboard_record(
    name: Annotated[str, typer.Argument(help="A submission's name, without .csv.")],
    public: Annotated[float | None, typer.Option(help="The public board's score.")] = None,
    private: Annotated[float | None, typer.Option(help="The private board's score.")] = None,
) -> None:
    """Write the board's answer to a submission into the ledger.

    Example: python -m pipeline leaderboard record submission --public 0.4835
    """
    from pipeline.ledger import parse_ledger, record_scores, render_ledger
    from pipeline.tables import load_bytes, lock_folder, save_bytes

    with lock_folder(SUBMISSIONS):
        rows = parse_ledger(load_bytes(LEDGER), str(LEDGER)) if LEDGER.is_file() else []
        save_bytes(render_ledger(record_scores(rows, name, public, private)), LEDGER)
    typer.echo(f"{LEDGER}: {name} recorded")


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
    from pipeline.scoring.rouge import compute_rouge
    from pipeline.scoring.rows import combine_metrics, list_metrics
    from pipeline.scoring.tokenizers import describe_tokenizer
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
    metrics = compute_rouge(
        list(summaries), [[text] for text in true["summary"]], params.score.tokenizer, list_metrics(params.score)
    )
    total = combine_metrics(metrics, params.score.weights).mean()
    parts = "  ".join(f"{metric} {value:.4f}" for metric, value in metrics.mean().items())
    typer.echo(f"{path}: score {total:.4f}  {parts}  on {describe_tokenizer(params.score.tokenizer)}")


@preset_app.command("list")
def preset_list() -> None:
    """Print the presets: model, parameters, what each is for.

    Example: python -m pipeline preset list
    """
    from pipeline.preset import render_presets

    _print_table(render_presets([_load_preset(path.stem) for path in sorted(PRESETS.glob("*.yaml"))]))


PresetName = Annotated[str, typer.Argument(help="A preset's name; `preset list` prints them.")]


@preset_app.command("show")
def preset_show(name: PresetName) -> None:
    """Print a preset, with what it says about where its values come from.

    Example: python -m pipeline preset show kogpt2
    """
    typer.echo(_load_preset(name).text, nl=False)


@preset_app.command("apply")
def preset_apply(name: PresetName, params_file: ParamsFile = PARAMS) -> None:
    """Lay a preset over params.yaml: only the keys it names change, comments stay.

    Example: python -m pipeline preset apply kogpt2
    """
    from pipeline.preset import apply_preset, describe_change
    from pipeline.tables import save_bytes

    preset = _load_preset(name)
    text, changes = apply_preset(_load_text(params_file), preset, str(params_file))
    if changes:
        save_bytes(text.encode(), params_file)
    for line in [*map(describe_change, changes), f"{params_file}: {len(changes)} keys changed"]:
        typer.echo(line)


def _load_preset(name: str) -> "Preset":
    from pipeline.preset import find_preset, parse_preset

    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    return parse_preset(name, _load_text(PRESETS / f"{find_preset(name, names)}.yaml"))


def _load_params(path: Path) -> "Params":
    from pipeline.params import parse_params

    return parse_params(_load_text(path), str(path))


def _load_text(path: Path) -> str:
    from pipeline.tables import load_bytes

    try:
        return load_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8") from error


def _load_stage_params(stage: str, path: Path) -> "SelectedParams":
    return _load_params(path).select(*STAGE_SECTIONS[stage])


def _load_experiment(name: str) -> "Experiment":
    """What an experiment chose, from the workspace, a git revision or a DVC experiment."""
    import json

    from ruamel.yaml import YAML

    from pipeline.compare import Experiment, flatten_params
    from pipeline.tables import SCORES, parse_table

    source = f"{VALID_SCORES} of {name}"
    files = {path: _load_revision(name, path) for path in (PARAMS, SELECTION, VALID_SCORES)}
    scores = parse_table(files[VALID_SCORES], source, SCORES)
    row = json.loads(files[SELECTION])["name"]
    chosen = scores.loc[scores["name"] == row]
    if chosen.empty:
        raise InputError(f"{source}: has no row {row!r}, which {SELECTION} names")
    values = YAML(typ="safe", pure=True).load(files[PARAMS].decode())
    return Experiment(name, flatten_params(values), row, chosen)


def _load_revision(name: str, path: Path) -> bytes:
    """A file as an experiment left it, from git or from DVC's cache."""
    from pipeline.tables import load_bytes

    if name == WORKSPACE:
        return load_bytes(path)
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    try:
        with Repo() as repo:
            revision = resolve_rev(repo.scm, name)
        return dvc.api.read(str(path), rev=revision, mode="rb")
    except SCMError as error:
        raise InputError(f"{name}: neither a DVC experiment nor a git revision") from error
    except (DvcException, FileNotFoundError) as error:
        raise InputError(f"{name}: has no {path}; dvc repro, or dvc exp run, makes it ({error})") from error


def _append_to_ledger(name: str, content: bytes, data: Any, params_file: Path) -> None:
    """Lists a submission, unless a file of the same content is listed already."""
    from datetime import UTC, datetime
    from hashlib import sha256

    from pipeline.ledger import COLUMNS, find_identical, parse_ledger, render_ledger
    from pipeline.tables import load_bytes, load_json, lock_folder, save_bytes

    files = [Path(file) for file in (data.train, data.test, data.sample_submission)]
    scores = load_json(METRICS / "scores.json") if (METRICS / "scores.json").is_file() else {}
    selected = scores.get("selected", {})
    revision, dirty = _describe_git()
    values = {
        "name": name,
        "sha256": sha256(content).hexdigest(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": revision,
        "dirty": dirty,
        "params_digest": sha256(_load_params(params_file).model_dump_json().encode()).hexdigest()[:16],
        "data_fingerprint": sha256(b"".join(load_bytes(f) for f in files if f.is_file())).hexdigest()[:16],
        "row": scores.get("selected_name", ""),
        **{f"validation{end}": str(selected.get(f"score{end}", "")) for end in ("", "_low", "_high")},
    }
    with lock_folder(SUBMISSIONS):
        rows = parse_ledger(load_bytes(LEDGER), str(LEDGER)) if LEDGER.is_file() else []
        if same := find_identical(rows, values["sha256"]):
            typer.echo(f"{LEDGER}: the same content is listed already, as {same['name']}")
            return
        save_bytes(render_ledger([*rows, dict.fromkeys(COLUMNS, "") | values]), LEDGER)


def _describe_git() -> tuple[str, str]:
    """The commit, and whether code or params differ from it (`true`, `false`); blanks outside git."""
    import subprocess

    def ask(*command: str) -> str:
        done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    with suppress(FileNotFoundError):
        if revision := ask("rev-parse", "HEAD"):
            # results and dvc.lock change with every run; what a submission depends on is the rest
            changed = ask("status", "--porcelain", "--", "pipeline", "params.yaml", "dvc.yaml")
            return revision, "true" if changed else "false"
    return "", ""


def _load_external(path: Path, sha256: str | None = None) -> "External":
    """Summaries made elsewhere; with a hash, only if the file is still the one that was scored."""
    from hashlib import sha256 as digest

    from pipeline.formats import Columns, parse_answers
    from pipeline.scoring.rows import External
    from pipeline.tables import load_bytes

    content = load_bytes(path)
    found = digest(content).hexdigest()
    if sha256 not in (None, found):
        raise InputError(f"{path}: is not the file that was scored any more; run the score stage again")
    table = parse_answers(content, str(path), Columns(id="id", text="id", summary="summary"), "utf-8")
    return External(path.stem, str(path), found, dict(zip(table["id"], table["summary"], strict=True)))


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
    from pipeline.pair import PAIR, get_pair_lengths, load_pair_tokenizer
    from pipeline.pretrain import build_scratch_tokenizer, collect_texts
    from pipeline.prompts import PromptBuilder

    model, truncation = params.model, params.preprocess.truncation
    if model.name == PAIR:
        encoder_length, decoder_length = get_pair_lengths(model)
        tokenizer = load_pair_tokenizer(model)
        builder = PromptBuilder(tokenizer, params.prompt, truncation, encoder_length, True, decoder_length)
    elif model.name != "scratch":
        builder = load_prompt_builder(BaseModel(model.name, model.revision, ""), model, params.prompt, truncation)
    else:
        tokenizer = build_scratch_tokenizer(collect_texts(train), params.pretrain)
        builder = PromptBuilder(tokenizer, params.prompt, truncation, params.pretrain.n_positions, False)
    return builder.select_shots(train, params.seed)


def _load_base_and_prompts(params: Any) -> "tuple[BaseModel, PromptBuilder]":
    """The base that pretrain made or pinned, and its prompts, with solved training examples if they are asked for."""
    from pipeline.models import load_base, load_prompt_builder
    from pipeline.tables import LABELLED, load_table

    base = load_base(BASE)
    builder = load_prompt_builder(base, params.model, params.prompt, params.preprocess.truncation)
    if not params.prompt.shots:
        return base, builder
    return base, builder.select_shots(load_table(PROCESSED / "train.parquet", LABELLED), params.seed)


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

    from pipeline.leaderboard import render_leaderboard
    from pipeline.tables import load_bytes

    # a family may be named NA or 001
    board = pd.read_csv(
        io.BytesIO(load_bytes(METRICS / "leaderboard.csv")), dtype={"name": str}, keep_default_na=False, na_values=[""]
    )
    _print_table(render_leaderboard(board, selected))


def _print_table(table: "Table") -> None:
    from rich.console import Console

    with suppress(BrokenPipeError):
        # a pipe has no width of its own; the table must not be folded to 80 columns there
        Console(width=None if Console().is_terminal else 200).print(table)
