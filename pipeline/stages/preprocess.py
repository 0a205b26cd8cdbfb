"""preprocess: competition files in; cleaned train, validation and test tables out, and what a participant should know.

No row is lost silently: what is left out is counted and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pipeline.competition.arrow import Texts
from pipeline.competition.cleaning.tables import Cleaned, clean_splits, leave_out_near_copies
from pipeline.competition.corpus import collect_texts
from pipeline.competition.formats import Columns
from pipeline.competition.layouts.frames import Documents
from pipeline.competition.layouts.reading import Reading
from pipeline.competition.layouts.sources import File, name_files
from pipeline.competition.mixing import Source, describe_sources, draw_sources, list_removed, mix
from pipeline.competition.openings import hold_out_continuations
from pipeline.competition.overlap import compute_overlaps
from pipeline.competition.roles import check_ids_agree, read_roles
from pipeline.competition.splits import split_examples
from pipeline.competition.word_overlap import compute_word_overlap
from pipeline.errors import InputError
from pipeline.models.continuations import describe_texts, join_texts
from pipeline.models.coverage import Choice, describe_choice, describe_coverage, describe_positions
from pipeline.models.prompts import PromptBuilder
from pipeline.models.token_counts import count_tokens, describe_truncation

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.file_sections import CleanParams, DataParams, GenerationParams, PreprocessParams


@dataclass(frozen=True)
class Competition:
    """What a competition's files hold, cleaned and split.

    Attributes:
        splits: `train`, `valid` and `test` frames; train with what was mixed in.
        texts: frames whose text a base may learn: the competition's own `train`, `valid`, `test`, and `extra`.
        cleaned: what became of rows and texts.
        lines: what was read, a line a role.
        sources: what was drawn of each further data set.
    """

    splits: "dict[str, pd.DataFrame]"
    texts: "dict[str, pd.DataFrame]"
    cleaned: Cleaned
    lines: list[str]
    sources: list[dict[str, Any]] = field(default_factory=list)


def parse_competition(
    files: Mapping[str, Sequence[File]],
    data: "DataParams",
    params: "PreprocessParams",
    seed: int,
    is_summarized: bool = True,
) -> Competition:
    """Reads a competition's files, splits off validation, cleans, and mixes further data sets into train.

    Args:
        files: those of `train`, `test` and `sample_submission`, one of the last; and of each further data set, under
            the place it has in `data.extra`: `extra.0`.
        is_summarized: False for whole texts, which need no summaries.

    Raises:
        InputError: with the mistakes of all roles.
    """
    columns = Columns(id=data.id_column, text=data.text_column, summary=data.summary_column)
    reading = Reading(data.layout, data.encoding, columns, is_optional=not is_summarized)
    extra = {role: each.layout for role, each in zip(list_extra(data), data.extra, strict=True)}
    parsed = read_roles(files, reading, extra, params.clean.empty_summaries)
    test, sample, dropped = parsed["test"], parsed["sample_submission"], parsed["train"].dropped
    lines = [f"{role}: {read.description}" for role, read in parsed.items() if isinstance(read, Documents)]
    check_ids_agree(list(test.frame["id"]), name_files(files["test"]), sample.ids, files["sample_submission"][0].name)
    folds = None if params.folds is None else (params.fold, params.folds)
    try:
        # no name keeps all of train while its parts are made
        training, valid = split_examples(parsed.pop("train").frame, params.valid_fraction, folds, data.limit, seed)
    except ValueError as error:
        raise InputError(f"{name_files(files['train'])}: {error}") from error
    splits = {"train": training, "valid": valid, "test": test.frame}
    weights = [each.weight for each in data.extra]
    sources = [
        Source(name_files(files[role]), parsed[role].frame, weight, parsed[role].dropped)
        for role, weight in zip(extra, weights, strict=True)
    ]
    drawn, counts = draw_sources(sources, len(training), seed)
    rules = list_rules(params.clean, is_summarized)
    cleaned = clean_splits({**splits, "extra": drawn} if sources else splits, dropped, rules)
    lines += describe_sources(counts, len(training))
    if sources:
        return _mix(replace(cleaned, removed=list_removed(cleaned.removed, sources)), lines, counts)
    return Competition(cleaned.splits, cleaned.splits, cleaned, lines)


def list_extra(data: "DataParams") -> list[str]:
    """What further data sets are called: `extra.0`, `extra.1`, …"""
    return [f"extra.{place}" for place in range(len(data.extra))]


def _mix(cleaned: Cleaned, lines: list[str], counts: list[dict[str, Any]]) -> Competition:
    """What was drawn of further data sets behind train, without what nearly copies validation."""
    import pandas as pd

    own = cleaned.splits
    extra, copies = leave_out_near_copies(own["extra"], [own["valid"]])
    splits = {name: own[name] for name in ("valid", "test")} | {"train": mix(own["train"], extra)}
    if len(copies):
        lines = [*lines, f"extra: {len(copies)} rows nearly copy validation and are left out"]
        cleaned = replace(cleaned, removed=pd.concat([cleaned.removed, copies], ignore_index=True))
    order = ("train", "valid", "test")
    return Competition({name: splits[name] for name in order}, {**own, "extra": extra}, cleaned, lines, counts)


def list_rules(params: "CleanParams", is_summarized: bool) -> list[str]:
    """The rules that are switched on, those of summaries only where there are some."""
    return [name for name, is_on in params if is_on and (is_summarized or not name.endswith("_summaries"))]


def hold_out_openings(competition: Competition, generation: "GenerationParams") -> Competition:
    """The competition for `task: generation`: whole texts to learn, also those of further data sets, and openings.

    Raises:
        InputError: if no validation text can be split.
    """
    import pandas as pd

    texts = dict(competition.texts)
    for name in ("train", "extra"):
        if name in texts:
            texts[name] = texts[name].assign(summaries=[[] for _ in range(len(texts[name]))])
    train = pd.concat([texts[name] for name in ("train", "extra") if name in texts], ignore_index=True)
    train, valid = hold_out_continuations(train, competition.splits["valid"], generation.opening_sentences)
    return replace(competition, texts=texts, splits={**competition.splits, "train": train, "valid": valid})


def compute_details(competition: Competition, builder: PromptBuilder, read: Sequence[str]) -> dict[str, Any]:
    """details/preprocess.json: rows, what was cleaned, what the context cuts, and what leaks between the splits.

    Args:
        competition: the three splits, and what became of their rows.
        builder: the prompts of the model to be used, which decide what fits.
        read: the splits whose text the base is made of, or adapted to.
    """
    splits = competition.splits
    # refuses now what train would refuse after pretraining: a summary that leaves no room for its document
    counts = {name: count_tokens(frame, builder, name) for name, frame in splits.items()}
    lengths = sorted(counts["train"]["summary"])
    return {
        **_describe_rows(competition, splits, read),
        "context_length": builder.context_length,
        "truncation": {name: describe_truncation(own["document"], own["kept"]) for name, own in counts.items()},
        "summary": {
            "tokens_median": lengths[len(lengths) // 2],
            "tokens_max": lengths[-1],
            # such a summary can be learnt from but never be written
            "longer_than_max_summary_tokens": sum(n > builder.params.max_summary_tokens for n in lengths),
        },
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


def compute_text_details(
    competition: Competition, builder: PromptBuilder, read: Sequence[str], generation: "GenerationParams"
) -> dict[str, Any]:
    """details/preprocess.json for whole texts and openings; arguments as those of `compute_details`.

    Raises:
        InputError: if the model cannot continue a text, or its context is shorter than a block.
    """
    splits = competition.splits
    whole = join_texts(splits["valid"])
    rejoined = splits["valid"].assign(text=whole, summaries=[[] for _ in whole])
    rows = _describe_rows(competition, {**splits, "valid": rejoined}, read)
    return rows | describe_texts(splits, builder, generation)


def _describe_rows(
    competition: Competition, splits: "Mapping[str, pd.DataFrame]", read: Sequence[str]
) -> dict[str, Any]:
    """What became of rows, and what leaks between the splits."""
    texts = {name: Texts(frame["text"]) for name, frame in splits.items()}
    # what a base reads beside the training rows
    unlearnt = collect_texts(competition.texts, [name for name in read if name == "extra"])
    return {
        "rows": {name: len(frame) for name, frame in splits.items()},
        "clean": competition.cleaned.counts,
        "extra": competition.sources,
        "overlap": compute_overlaps(texts["train"], {name: texts[name] for name in ("valid", "test")}),
        "word_overlap": compute_word_overlap(dict(splits), Texts(unlearnt["text"])),
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
        details: those of `compute_details` and `describe_lengths`.
    """
    lines = []
    for split, cut in details["truncation"].items():
        if cut["documents_cut"]:
            lines.append(
                f"{split}: {cut['documents_cut']} of {cut['documents']} documents are longer than the context and "
                f"prompt.max_document_tokens allow; {cut['tokens_cut_share']:.0%} of all their tokens are cut "
                "(preprocess.truncation decides which)"
            )
    if "kept" in details:
        lines += [describe_choice(details["kept"]), describe_positions("train", details["coverage"]["train"])]
    if too_long := details.get("summary", {}).get("longer_than_max_summary_tokens"):
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
    return [line for line in lines if line]
