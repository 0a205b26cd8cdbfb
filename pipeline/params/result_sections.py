"""The sections about what is written, chosen and shown: decode, score, predict, export, report."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from pipeline.params.section import Positive, Section

# as pipeline.scoring.rouge.comparison computes them; a list of names here spares params an import of ROUGE
ROUGE_METRICS = ("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum", "rougeW", "rougeS", "rougeS4")


def _are_metrics(metrics: Any) -> Any:
    if unknown := [name for name in metrics if name not in ROUGE_METRICS]:
        raise ValueError(f"{unknown[0]} is not a metric (known: {', '.join(ROUGE_METRICS)})")
    return metrics


def _have_weight(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise ValueError("at least one weight must be above 0")
    return weights


Tokenizer = Literal["mecab", "whitespace", "character", "kiwi"]
Weights = Annotated[
    dict[str, Annotated[float, Field(ge=0)]], AfterValidator(_are_metrics), AfterValidator(_have_weight)
]


class HalvingParams(Section):
    budget: float = Field(gt=0, lt=1, description="Share of the whole grid's rows that the search may decode.")
    tokenizer: Tokenizer = Field(description="That of score.tokenizer.")
    weights: Weights = Field(description="Those of score.weights.")


class DecodeParams(Section):
    engine: Literal["auto", "shared", "generate"] = Field(
        description="shared: all configurations in one pass; generate: one by one; auto: shared if it serves the model."
    )
    batch_size: Positive | None = Field(description="Documents decoded together; null: as many as memory holds.")
    processes: Positive = Field(description="Processes on this machine that share the documents.")
    max_new_tokens: Positive = Field(description="Cap on a summary's tokens.")
    untuned: bool = Field(description="Also decode greedily with the base alone, for the leaderboard.")
    few_shot: int = Field(ge=0, description="Solved examples in front of each document for another such row; 0: none.")
    untuned_documents: Positive | None = Field(
        description="Validation documents that the base alone summarizes, drawn by seed; null: all."
    )
    map_reduce: bool = Field(
        description="Also summarize documents that do not fit part by part, and the join of the parts' summaries."
    )
    search: Literal["grid", "halving"] = Field(
        description="grid: every configuration for every document; halving: the worse half is dropped again and again."
    )
    halving: HalvingParams
    grid: dict[str, dict[str, Any]] = Field(description="Named families; every list in one is an axis.")


class RankParams(Section):
    method: Literal["none", "ridge", "lambdamart"] = Field(
        description="How to learn to choose among a document's candidates; lambdamart: from over 1,000 documents."
    )
    processes: Positive = Field(description="Processes on this machine that share the documents.")


class ConsensusParams(Section):
    pools: list[Annotated[str, Field(pattern=r"^[\w-]+(\+[\w-]+)*$")]] = Field(
        description="Rows of consensus: all, greedy, beam, samples, top-K, families of the grid, or some joined by +."
    )
    weighted: bool = Field(description="Candidates of better configurations count more as references.")


class ScoreParams(Section):
    tokenizer: Tokenizer = Field(description="The board's; it selects.")
    select: Literal["expected", "cheapest"] = Field(
        description="expected: the row expected to score best; cheapest: the cheapest that noise does not tell from it."
    )
    weights: Weights = Field(description="What makes one number of the metrics' F1; normalised to sum 1.")
    extra_metrics: Annotated[list[str], AfterValidator(_are_metrics)] = Field(
        description="Further metrics to show, which do not select."
    )
    external: list[str] = Field(description="id,summary files in data/external/ to rank beside the configurations.")
    consensus: ConsensusParams
    resamples: int = Field(ge=100, description="Paired bootstrap resamples.")
    confidence: float = Field(gt=0, lt=1, description="Coverage of the bootstrap intervals.")

    @field_validator("external")
    @classmethod
    def _are_where_dvc_looks(cls, files: list[str]) -> list[str]:
        if outside := [name for name in files if not re.fullmatch(r"data/external/[^/]+\.csv", name)]:
            raise ValueError(f"{outside[0]} is not a .csv file in data/external/, which the score stage depends on")
        return files


class PredictParams(Section):
    use: str = Field(description="best, or the name of a leaderboard row.")
    batch_size: Positive | None = Field(description="Documents decoded together; null: as many as memory holds.")
    processes: Positive = Field(description="Processes on this machine that share the documents.")
    fill_empty: Literal["refuse", "lead-1", "lead-3", "tail-1"] = Field(
        description="What takes the place of an empty prediction; refuse leaves it for export to refuse."
    )


class FormatParams(Section):
    suffix: Literal["csv", "json", "jsonl"] = Field(description="The file's kind; json: a list of records.")
    encoding: Literal["sample", "utf-8", "utf-8-sig", "cp949"] = Field(description="utf-8-sig opens in Excel.")
    line_end: Literal["sample", "lf", "crlf"] = Field(description="What ends a line.")
    quoting: Literal["sample", "minimal", "all"] = Field(description="Quotes around cells that need them, or all.")


class ExportParams(Section):
    # so that it fits a file system in Korean letters, of three bytes each
    name: str = Field(
        pattern=r"^[\w.-]+$", max_length=80, description="The submission's file name, without its suffix."
    )
    format: FormatParams

    @field_validator("name")
    @classmethod
    def _leaves_the_ledger(cls, name: str) -> str:
        if name == "ledger":
            raise ValueError("submissions/ledger.csv was the history of submissions; choose another name")
        return name


class ReportParams(Section):
    examples: Positive = Field(description="Validation documents that the report's examples browser holds at most.")
    megabytes: float = Field(gt=0, description="What their texts may take of the report; longer ones are fewer.")
