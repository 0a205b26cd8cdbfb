"""The stages that decode, choose and write, one thin command each: load its params, read, call, write."""

from pathlib import Path

import typer

from pipeline.cli.competition import load_submission_form, load_test_documents
from pipeline.cli.generation import get_generation
from pipeline.cli.leaderboard import list_submission, print_leaderboard
from pipeline.cli.loading import (
    ModelFiles,
    ParamsFile,
    load_examples,
    load_external,
    load_externals,
    load_params,
)
from pipeline.cli.sections import hand_over, load_stage_params
from pipeline.paths import (
    DETAILS,
    LEADERBOARD,
    LIKELIHOODS_FILE,
    METRICS,
    PARAMS,
    PROCESSED,
    SELECTION,
    SUBMISSIONS,
    TEST_CANDIDATES,
    TEST_PREDICTIONS,
    VALID_PREDICTIONS,
    VALID_SCORES,
)


def decode(params_file: ParamsFile = PARAMS) -> None:
    """Summarize the validation documents with every configuration of the grid.

    Example: python -m pipeline decode
    """
    from pipeline.models.processes import join_processes
    from pipeline.stages.decode import decode as decode_grid
    from pipeline.stages.decode import decode_openings, describe_rounds
    from pipeline.tables import CANDIDATES, CONTINUATIONS, save_json, save_table

    params = load_stage_params("decode", params_file)
    hand_over("decode", params.decode.processes, params_file)
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


def rank(params_file: ParamsFile = PARAMS) -> None:
    """Read every candidate once more: how likely the tuned model and the base find it.

    Example: python -m pipeline rank
    """
    from pipeline.tables import CANDIDATES, LIKELIHOODS, load_table, save_empty_table, save_table

    params = load_stage_params("rank", params_file)
    if params.rank.method == "none":
        save_empty_table(LIKELIHOODS_FILE, LIKELIHOODS)
        return
    from pipeline.models.processes import join_processes
    from pipeline.stages.rank import compute_likelihoods

    hand_over("rank", params.rank.processes, params_file)
    is_first, documents = join_processes(), load_examples("valid")["valid"]
    candidates = load_table(VALID_PREDICTIONS, CANDIDATES)
    likelihoods = compute_likelihoods(candidates, documents, ModelFiles(params, None, "auto"))
    if is_first:
        save_table(likelihoods, LIKELIHOODS_FILE, LIKELIHOODS)


def score(params_file: ParamsFile = PARAMS) -> None:
    """Score every configuration and baseline; choose what predicts the test set.

    Example: python -m pipeline score
    """
    from pipeline.stages.score import Measured, score_texts, select_metrics
    from pipeline.stages.score import score as rank_rows
    from pipeline.tables import (
        CANDIDATES,
        CONTINUATIONS,
        LIKELIHOODS,
        SCORES,
        load_record,
        load_table,
        save_csv,
        save_json,
        save_table,
    )

    params = load_stage_params("score", params_file)
    valid, key = load_examples("valid")["valid"], "seconds_by_configuration"
    seconds = load_record(DETAILS / "decode.json", key)[key]
    if params.task == "generation":
        candidates = load_table(VALID_PREDICTIONS, CONTINUATIONS)
        scored = score_texts(candidates, valid, list(load_examples("train")["train"]["text"]), seconds, params)
    else:
        candidates = load_table(VALID_PREDICTIONS, CANDIDATES)
        externals = load_externals(params.score.external, valid)
        overlap = load_record(DETAILS / "preprocess.json", "word_overlap")["word_overlap"]
        measured = Measured(seconds, overlap, load_table(LIKELIHOODS_FILE, LIKELIHOODS))
        scored = rank_rows(candidates, valid, externals, measured, params)
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
    from pipeline.tables import CANDIDATES, PREDICTIONS, UNLABELLED, load_record, load_table, save_table

    params = load_stage_params("predict", params_file)
    selection = load_record(SELECTION, "name", "kind")
    if needs_model(selection):
        hand_over("predict", params.predict.processes, params_file)
    is_first, test = join_processes(), load_table(PROCESSED / "test.parquet", UNLABELLED)
    external = load_external(Path(selection["file"]), selection["sha256"]) if "file" in selection else None
    source = ModelFiles(params, params.predict.batch_size, selection.get("engine", "auto"))
    predictions, candidates = predict_selected(test, selection, source, external)
    if params.predict.fill_empty != "refuse":
        predictions = fill_empty(predictions, test, params.predict.fill_empty)
    if is_first:
        save_table(candidates, TEST_CANDIDATES, CANDIDATES)
        save_table(predictions, TEST_PREDICTIONS, PREDICTIONS)


def export(params_file: ParamsFile = PARAMS) -> None:
    """Write the submission in the sample submission's form, or refuse.

    Example: python -m pipeline export
    """
    from pipeline.history.submissions import save_texts
    from pipeline.stages.export import build_submission, build_text_files, join_openings
    from pipeline.tables import PREDICTIONS, load_table, save_bytes

    params, listed = load_stage_params("export", params_file), load_params(params_file)
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
