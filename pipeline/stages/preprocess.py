"""preprocess: competition files in; cleaned train, validation and test tables out, and what a participant should know.

No row is lost silently: what is left out is counted and named.
"""

import random
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.competition.formats import Columns, parse_submission_format
from pipeline.competition.layouts.frames import read_frame
from pipeline.competition.layouts.reading import Reading
from pipeline.competition.layouts.sources import File, name_files
from pipeline.competition.overlap import compute_overlaps
from pipeline.competition.splits import assign_folds, draw_documents
from pipeline.competition.texts import Texts, separate, take_apart
from pipeline.errors import InputError, and_more
from pipeline.models.coverage import Choice, describe_choice, describe_coverage, describe_positions
from pipeline.models.prompts import PromptBuilder, describe_truncation
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.sections import DataParams, PreprocessParams


# documents whose tokens are counted together
_COUNTED = 2**12


class Competition(NamedTuple):
    """What a competition's files hold.

    Attributes:
        splits: `train`, `valid` and `test` frames.
        dropped: ids left out of train for want of text or summary.
        lines: what was read, a line a role.
    """

    splits: "dict[str, pd.DataFrame]"
    dropped: list[str]
    lines: list[str]


def parse_competition(
    files: dict[str, list[File]], data: "DataParams", params: "PreprocessParams", seed: int
) -> Competition:
    """Reads a competition's files and splits off validation.

    Args:
        files: those of `train`, `test` and `sample_submission`; one of the last.

    Raises:
        InputError: with the mistakes of all roles.
    """
    columns = Columns(id=data.id_column, text=data.text_column, summary=data.summary_column)
    labelled = Reading(data.layout, data.encoding, columns)
    (sample,) = files["sample_submission"]
    readers = {
        "train": lambda: read_frame(files["train"], labelled, "train", params.drop_invalid),
        "test": lambda: read_frame(files["test"], replace(labelled, is_labelled=False), "test"),
        "sample": lambda: parse_submission_format(sample.read(), sample.name, columns, data.encoding),
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
    test, dropped = parsed["test"].frame, parsed["train"].dropped
    _check_ids_agree(list(test["id"]), name_files(files["test"]), parsed["sample"].ids, sample.name)
    lines = [f"{role}: {parsed[role].description}" for role in ("train", "test")]
    try:
        # no name keeps all of train while its parts are made
        training, valid = split_examples(parsed.pop("train").frame, params, data.limit, seed)
    except ValueError as error:
        raise InputError(f"{name_files(files['train'])}: {error}") from error
    return Competition({"train": training, "valid": valid, "test": test}, dropped, lines)


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
    if params.folds is not None:
        held_out = np.array(assign_folds(examples, params.folds, seed)) == params.fold
    else:
        drawn = draw_documents(Texts(examples["text"]), params.valid_fraction, rng)
        held_out = np.fromiter((text in drawn for text in Texts(examples["text"])), bool, len(examples))
    columns = take_apart(examples)
    # a caller that keeps no name of the frame either lets its memory go on the way
    del examples
    return separate(columns, held_out)


def count_tokens(frame: "pd.DataFrame", builder: PromptBuilder, role: str) -> dict[str, list[int]]:
    """Tokens of each document, of what is kept of it, and of each summary.

    Some documents after others: the tokens themselves take more memory than all of the text.

    Args:
        frame: `id`, `text`, and `summaries` where there are some.

    Raises:
        InputError: naming the first id whose summary leaves no room for its document, as training would.
    """
    counts: dict[str, array[int]] = {name: array("q") for name in ("document", "kept", "summary")}
    starts = range(0, len(frame), _COUNTED)
    for start in track(starts, f"{role}: counting tokens", len(starts)):
        part = frame.iloc[start : start + _COUNTED]
        prompts = builder.build_prompts(list(part["text"]))
        counts["document"].extend(prompt.document_tokens for prompt in prompts)
        counts["kept"].extend(prompt.kept_tokens for prompt in prompts)
        if "summaries" in part:
            rows = [
                (summary, name) for name, many in zip(part["id"], part["summaries"], strict=True) for summary in many
            ]
            counts["summary"].extend(builder.count_label_tokens(*zip(*rows, strict=True)))
    return {name: list(values) for name, values in counts.items()}


def compute_details(
    splits: "dict[str, pd.DataFrame]", dropped: Sequence[str], builder: PromptBuilder
) -> dict[str, Any]:
    """details/preprocess.json: rows, what was left out, what the context cuts, and what leaks between the splits.

    Args:
        splits: `train`, `valid` and `test` frames.
        dropped: ids left out for want of text or summary.
        builder: the prompts of the model to be used, which decide what fits.
    """
    # refuses now what train would refuse after pretraining: a summary that leaves no room for its document
    counts = {name: count_tokens(frame, builder, name) for name, frame in splits.items()}
    lengths = sorted(counts["train"]["summary"])
    texts = {name: Texts(frame["text"]) for name, frame in splits.items()}
    return {
        "rows": {name: len(frame) for name, frame in splits.items()},
        "dropped": {"rows": len(dropped), "first_ids": list(dropped[:5])},
        "context_length": builder.context_length,
        "truncation": {name: describe_truncation(own["document"], own["kept"]) for name, own in counts.items()},
        "summary": {
            "tokens_median": lengths[len(lengths) // 2],
            "tokens_max": lengths[-1],
            # such a summary can be learnt from but never be written
            "longer_than_max_summary_tokens": sum(n > builder.params.max_summary_tokens for n in lengths),
        },
        "overlap": compute_overlaps(texts["train"], {name: texts[name] for name in ("valid", "test")}),
    }


def describe_lengths(
    splits: "dict[str, pd.DataFrame]", builder: PromptBuilder, choice: Choice, seed: int
) -> dict[str, Any]:
    """What details/preprocess.json says of too long documents: what is kept and why, and what that loses.

    Args:
        splits: `train` and `valid` frames.
        builder: the prompts, cut as was chosen.
    """
    coverage = {name: describe_coverage(splits[name], builder, seed) for name in ("train", "valid")}
    return {"kept": choice.describe(), "coverage": coverage}


def select_metrics(details: dict[str, Any]) -> dict[str, Any]:
    """metrics/preprocess.json: what a table of experiments shows."""
    return {"documents_cut": sum(cut["documents_cut"] for cut in details["truncation"].values())}


def describe_cuts(details: dict[str, Any]) -> list[str]:
    """Lines for what a participant would not like to learn after the deadline; none when all is well.

    Args:
        details: those of `compute_details` and `describe_lengths`.
    """
    lines = []
    for split, cut in details["truncation"].items():
        if cut["documents_cut"]:
            lines.append(
                f"{split}: {cut['documents_cut']} of {cut['documents']} documents are longer than the context allows; "
                f"{cut['tokens_cut_share']:.0%} of all their tokens are cut (preprocess.truncation decides which)"
            )
    lines += [describe_choice(details["kept"])]
    lines += [describe_positions("train", details["coverage"]["train"])]
    if too_long := details["summary"]["longer_than_max_summary_tokens"]:
        lines.append(
            f"train: {too_long} summaries are longer than prompt.max_summary_tokens and cannot be written whole"
        )
    if details["dropped"]["rows"]:
        lines.append(f"train: {details['dropped']['rows']} rows without text or summary were left out")
    return [line for line in lines if line]
