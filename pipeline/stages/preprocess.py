"""preprocess: competition files in; cleaned train, validation and test tables out, and what a participant should know.

No row is lost silently: what is left out is counted and named.
"""

import random
from collections.abc import Set
from typing import TYPE_CHECKING, Any

from pipeline.competition.cleaning.marks import compose
from pipeline.competition.cleaning.tables import Cleaned, clean_splits
from pipeline.competition.corpus import collect_texts
from pipeline.competition.formats import Columns, parse_submission_format, parse_test, parse_train
from pipeline.competition.overlap import compute_overlaps
from pipeline.competition.splits import assign_folds, draw_documents
from pipeline.competition.word_overlap import compute_word_overlap
from pipeline.errors import InputError, and_more
from pipeline.models.prompts import PromptBuilder, describe_truncation

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.sections import CleanParams, DataParams, PreprocessParams


def parse_competition(contents: dict[str, bytes], data: "DataParams", params: "PreprocessParams", seed: int) -> Cleaned:
    """The competition's files as `train`, `valid` and `test` frames, split and then cleaned.

    Args:
        contents: the bytes of each file, under the names in `data`.

    Raises:
        InputError: with the mistakes of all three files.
    """
    columns = Columns(id=data.id_column, text=data.text_column, summary=data.summary_column)
    train, test, sample = data.train, data.test, data.sample_submission
    readers = {
        "train": lambda: parse_train(contents[train], train, columns, data.encoding, params.clean.empty_summaries),
        "test": lambda: parse_test(contents[test], test, columns, data.encoding),
        "sample": lambda: parse_submission_format(contents[sample], sample, columns, data.encoding),
    }
    parsed: dict[str, Any] = {}
    mistakes = []
    for role, read in readers.items():
        try:
            parsed[role] = read()
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    examples, dropped = parsed["train"]
    _check_ids_agree(list(parsed["test"]["id"]), test, parsed["sample"].ids, sample)
    try:
        training, valid = split_examples(examples, params, data.limit, seed)
    except ValueError as error:
        raise InputError(f"{train}: {error}") from error
    splits = {"train": training, "valid": valid, "test": parsed["test"]}
    return clean_splits(splits, dropped, list_rules(params.clean))


def list_rules(params: "CleanParams") -> list[str]:
    """The rules that are switched on."""
    return [name for name, is_on in params if is_on]


def _check_ids_agree(test: list[str], test_file: str, sample: list[str], sample_file: str) -> None:
    """The sample submission asks for every test document and for nothing else; their orders may differ."""
    mistakes = []
    for ids, others, here, there in ((sample, test, sample_file, test_file), (test, sample, test_file, sample_file)):
        known = set(others)
        if missing := [name for name in ids if name not in known]:
            mistakes.append(f"{here}: id {missing[0]!r}{and_more(len(missing) - 1)} is not in {there}")
    if mistakes:
        raise InputError(mistakes)


def split_examples(
    examples: "pd.DataFrame", params: "PreprocessParams", limit: int | None, seed: int
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Draws validation examples by seed, or takes a fold of `params.folds`; near-copies stay on one side.

    Args:
        examples: `id`, `text`, `summaries`; at least two documents that are no near-copies.
        limit: use only this many rows, drawn by seed.

    Returns:
        `(train, valid)`, each in the order of `examples`.

    Raises:
        ValueError: if fewer different documents are left than the split needs.
    """
    import numpy as np

    rng = random.Random(seed)
    if limit is not None and limit < len(examples):
        examples = examples.iloc[sorted(rng.sample(range(len(examples)), limit))]
    # composed, so that the split knows NFD copies of a document whether they are composed later or not
    composed = examples.assign(text=[compose(text) for text in examples["text"]])
    if params.folds is not None:
        held_out = np.array(assign_folds(composed, params.folds, seed)) == params.fold
        return examples[~held_out].reset_index(drop=True), examples[held_out].reset_index(drop=True)
    held_out = composed["text"].isin(draw_documents(list(composed["text"]), params.valid_fraction, rng))
    return examples[~held_out].reset_index(drop=True), examples[held_out].reset_index(drop=True)


def compute_details(cleaned: Cleaned, builder: PromptBuilder, read: Set[str]) -> dict[str, Any]:
    """details/preprocess.json: rows, what was cleaned, what the context cuts, and what leaks between the splits.

    Args:
        cleaned: the three splits, and what became of their rows.
        builder: the prompts of the model to be used, which decide what fits.
        read: the splits whose text the base is made of, or adapted to.
    """
    splits = cleaned.splits
    train, valid, test = (splits[name] for name in ("train", "valid", "test"))
    texts = list(train["text"])
    summaries = [summary for row in train["summaries"] for summary in row]
    lengths = sorted(len(ids) for ids in builder.build_labels(summaries))
    # refuses now what train would refuse after pretraining: a summary that leaves no room for its document
    for frame in (train, valid):
        rows = [(text, summary, name) for name, text, many in frame.itertuples(index=False) for summary in many]
        builder.build_training_examples(*zip(*rows, strict=True))
    return {
        "rows": {name: len(frame) for name, frame in splits.items()},
        "clean": cleaned.counts,
        "context_length": builder.context_length,
        "truncation": {
            name: describe_truncation(builder.build_prompts(list(frame["text"]))) for name, frame in splits.items()
        },
        "summary": {
            "tokens_median": lengths[len(lengths) // 2],
            "tokens_max": lengths[-1],
            # such a summary can be learnt from but never be written
            "longer_than_max_summary_tokens": sum(n > builder.params.max_summary_tokens for n in lengths),
        },
        "overlap": compute_overlaps(texts, {"valid": list(valid["text"]), "test": list(test["text"])}),
        "word_overlap": compute_word_overlap(splits, list(collect_texts(splits, list(read & {"extra"}))["text"])),
    }


def select_metrics(details: dict[str, Any]) -> dict[str, Any]:
    """metrics/preprocess.json: what a table of experiments shows."""
    return {
        "documents_cut": sum(cut["documents_cut"] for cut in details["truncation"].values()),
        "rows_removed": sum(details["clean"]["rows"]["train"].values()),
    }


def describe_cuts(details: dict[str, Any]) -> list[str]:
    """Lines for what a participant would not like to learn after the deadline; none when all is well.

    Args:
        details: those of `compute_details`.
    """
    lines = []
    for split, cut in details["truncation"].items():
        if cut["documents_cut"]:
            lines.append(
                f"{split}: {cut['documents_cut']} of {cut['documents']} documents are longer than the context allows; "
                f"{cut['tokens_cut_share']:.0%} of all their tokens are cut (preprocess.truncation decides which)"
            )
    if too_long := details["summary"]["longer_than_max_summary_tokens"]:
        lines.append(
            f"train: {too_long} summaries are longer than prompt.max_summary_tokens and cannot be written whole"
        )
    rows = details["clean"]["rows"]
    if removed := {name: count for name, count in rows["train"].items() if count}:
        counts = ", ".join(f"{count} by {name}" for name, count in removed.items())
        lines.append(
            f"train: {sum(removed.values())} rows are left out ({counts}); data/processed/removed.csv lists them"
        )
    if moved := sum(rows["valid"].values()):
        lines.append(
            f"valid: {moved} rows nearly copy train and are moved there; data/processed/removed.csv lists them"
        )
    return lines
