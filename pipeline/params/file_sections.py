"""The sections about what is read: data, preprocess, prompt, generation."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, field_validator

from pipeline.params.section import Name, Positive, Section


def _are_files(names: Any) -> str | list[str]:
    many = [names] if isinstance(names, str) else names
    # one message; pydantic would give one for each member of the union
    if not (isinstance(many, list) and many and all(isinstance(name, str) and name for name in many)):
        raise ValueError("must be a file, a folder, a zip, or a list of these")
    if any("\0" in name for name in many):
        raise ValueError("must hold no NUL")
    return names


Files = Annotated[str | list[str], PlainValidator(_are_files)]
# as pipeline.competition.layouts.reading knows them; a list of names here spares params an import of the readers
Layout = Literal[
    "auto", "ai_connect", "csv", "json", "jsonl", "parquet", "dacon", "aihub_document", "aihub_report", "nikl",
    "hunminjeongeum", "upstage", "kobart",
]  # fmt: skip


class ExtraParams(Section):
    path: Files = Field(description="In data.folder: a file, a folder, a zip, or a list of these.")
    layout: Layout = Field(description="As data.layout.")
    weight: float = Field(gt=0, description="Rows drawn for each own training row; 0.25 mixes 8 : 2.")


class DataParams(Section):
    folder: Name = Field(description="The folder that DVC watches; the files below are named in it.")
    train: Files = Field(description="Documents with summaries: a file, a folder, a zip, or a list of these.")
    test: Files = Field(description="Documents to summarize: a file, a folder, a zip, or a list of these.")
    sample_submission: Name = Field(description="The organiser's sample; the export equals it in form.")
    layout: Layout = Field(description="How documents lie in the files; auto: told by what stands in them.")
    encoding: Literal["auto", "utf-8", "cp949", "utf-16"] = Field(description="Encoding; auto: found file by file.")
    id_column: Name = Field(description="Column or key of the example's id, where the layout has none of its own.")
    text_column: Name = Field(description="Column or key of the document, where the layout has none of its own.")
    summary_column: Name = Field(description="Column or key of the summary, where the layout has none of its own.")
    limit: Positive | None = Field(description="Use only this many training rows, drawn by seed; null for all.")
    extra: list[ExtraParams] = Field(description="Further data sets to learn from, at ratios.")


class CleanParams(Section):
    html: bool = Field(description="Tags, comments and entities that a web page left.")
    control_characters: bool = Field(description="Control and zero-width characters.")
    nfc: bool = Field(description="Hangul and accents composed (Unicode NFC).")
    bylines: bool = Field(description="Of documents: the reporter before and after an article.")
    contacts: bool = Field(description="Of documents: e-mail addresses and copyright lines that stand alone.")
    whitespace: bool = Field(description="Runs of white space, and more than one empty line.")
    empty_summaries: bool = Field(description="Leave out training rows without text or summary instead of refusing.")
    copied_summaries: bool = Field(description="Leave out training rows whose summary is the whole document.")
    longer_summaries: bool = Field(description="Leave out training rows whose summary is longer than the document.")
    exact_duplicates: bool = Field(description="Leave out training rows with text and summaries of an earlier one.")
    near_duplicates: bool = Field(description="Leave out training rows whose document nearly is an earlier one's.")
    near_copies_to_train: bool = Field(description="Validation rows that nearly copy train are moved to train.")


class PreprocessParams(Section):
    valid_fraction: float = Field(gt=0, lt=1, description="Share of the training rows held out for validation.")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        description="Split into so many folds and validate on one, instead of valid_fraction; null for a single split."
    )
    fold: int = Field(ge=0, description="The fold to validate on, counted from 0; python -m pipeline folds runs all.")
    clean: CleanParams
    truncation: Literal["auto", "head", "tail", "head_tail", "salient"] = Field(
        description="What of a too long document is kept; auto: what keeps most of the training summaries' words."
    )


class PromptParams(Section):
    template: str = Field(description="The prompt; {text} stands for the document.")
    max_document_tokens: Positive | None = Field(description="Cap on a document's tokens; null for the context's.")
    max_summary_tokens: Positive = Field(description="Tokens of the context kept free for the summary.")
    shots: int = Field(ge=0, description="Solved training examples in front of each document (few-shot).")

    @field_validator("template")
    @classmethod
    def _has_one_text(cls, template: str) -> str:
        if template.count("{text}") != 1:
            raise ValueError("must contain {text} exactly once")
        if re.search("[\0\ud800-\udfff]", template):
            raise ValueError("must hold neither NUL nor half a character (a lone surrogate)")
        return template


class GenerationParams(Section):
    opening_sentences: Positive = Field(description="Sentences of a validation text that are given as its opening.")
    block_size: Annotated[int, Field(ge=2)] | None = Field(
        description="Tokens of text learnt as one example; null for the model's context."
    )
    include_opening: bool = Field(description="Whether a submitted text begins with its opening.")
