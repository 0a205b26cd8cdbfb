"""decode: validation documents, base and adapter in; every candidate of every configuration out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.shards import decode_in_shards, join_parts
from pipeline.params.grid import FEW_SHOT, UNTUNED, Configuration, build_configurations

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.sections import DecodeParams, HalvingParams
    from pipeline.scoring.halving import Round


@dataclass(frozen=True)
class Untuned(Configuration):
    """Greedy decoding with the base alone, with so many solved training examples in front of each document."""

    shots: int = 0


def list_untuned(params: "DecodeParams") -> list[Untuned]:
    """What tuning is measured against: the base alone, zero-shot and few-shot, as far as they are asked for."""
    settings = {"max_new_tokens": params.max_new_tokens}
    zero = [Untuned(UNTUNED, settings)] if params.untuned else []
    return [*zero, Untuned(FEW_SHOT, settings, params.few_shot)] if params.few_shot else zero


def decode(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, Effort]":
    """Candidates (`pipeline.tables.CANDIDATES`) of the configurations for the examples, and what they cost."""
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    return decode_in_shards(decoder, list(examples["id"]), prompts, configurations)


def list_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid's configurations; the untuned base is apart, for it is another model with other prompts."""
    return build_configurations(params.grid, params.max_new_tokens)


def search_grid(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", params: "DecodeParams"
) -> "tuple[pd.DataFrame, Effort, list[dict[str, Any]]]":
    """Candidates of all configurations of the grid, or of those that halving left; what that cost; halving's rounds."""
    configurations = list_configurations(params)
    if params.search == "halving":
        return decode_by_halving(decoder, builder, examples, configurations, params.halving, decoder.seed)
    return *decode(decoder, builder, examples, configurations), []


def decode_by_halving(
    decoder: Decoder,
    builder: "PromptBuilder",
    examples: "pd.DataFrame",
    configurations: Sequence[Configuration],
    params: "HalvingParams",
    seed: int,
) -> "tuple[pd.DataFrame, Effort, list[dict[str, Any]]]":
    """As `decode`, for the configurations that successive halving does not drop on its way through the examples.

    Args:
        seed: of the order of the examples.

    Returns:
        Candidates of the survivors, what all rounds cost, and the rounds: `documents` summarized so far, and the mean
        `scores` by configuration, best first.
    """
    from pipeline.scoring.halving import race
    from pipeline.scoring.rouge.comparison import Rouge
    from pipeline.scoring.rouge.pairs import compute_weighted_rouge

    rouge, parts = Rouge(params.tokenizer), []

    def run(documents: Sequence[int], places: Sequence[int]) -> "tuple[np.ndarray, Sequence[Sequence[str]]]":
        chosen, tried = examples.iloc[list(documents)], [configurations[place] for place in places]
        parts.append(decode(decoder, builder, chosen, tried))
        # by configuration, then by document: the first candidates are a table of both
        texts = parts[-1][0].query("candidate == 0")["text"].tolist()
        scores = compute_weighted_rouge(texts, [*chosen["summaries"]] * len(tried), rouge, params.weights)
        summaries = [texts[start : start + len(chosen)] for start in range(0, len(texts), len(chosen))]
        return scores.to_numpy().reshape(len(tried), -1), summaries

    costs = [configuration.cost for configuration in configurations]
    alive, rounds = race(costs, len(examples), params.budget, seed, run)
    table, effort = join_parts(parts, list(examples["id"]), [configurations[place] for place in alive])
    return table, effort, [_describe_round(one, configurations) for one in rounds]


def _describe_round(one: "Round", configurations: Sequence[Configuration]) -> dict[str, Any]:
    ranked = sorted(one.means.items(), key=lambda entry: -entry[1])
    return {
        "documents": one.documents,
        "scores": {configurations[place].name: round(mean, 4) for place, mean in ranked},
    }


def describe_rounds(rounds: Sequence[dict[str, Any]]) -> str:
    """One line about a search by halving.

    >>> describe_rounds([{"documents": 8, "scores": {"a": 0.5, "b": 0.4}}, {"documents": 40, "scores": {"a": 0.5}}])
    'halving: 2 configurations for 8 documents, 1 for 40'
    """
    counts = [f"{len(one['scores'])} for {one['documents']}" for one in rounds]
    return "halving: " + ", ".join(counts).replace(" for", " configurations for", 1).replace(",", " documents,", 1)


def compute_metrics(
    candidates: "pd.DataFrame", effort: Effort, rounds: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """metrics/decode.json: what decoding cost, in seconds, tokens and rows. A row is a sequence that takes a step;
    `distinct_rows` is the share that was computed, for equal ones are computed once."""
    total = sum(effort.seconds.values())
    return {
        "documents": int(candidates["id"].nunique()),
        "configurations": len(effort.seconds),
        "seconds": round(total, 1),
        # nothing took time if every candidate was remembered
        "tokens_per_second": round(int(candidates["tokens"].sum()) / total) if total else 0,
        "rows": effort.wanted_rows,
        "distinct_rows": round(effort.rows / effort.wanted_rows, 3) if effort.wanted_rows else None,
        "seconds_by_configuration": {name: round(seconds, 2) for name, seconds in effort.seconds.items()},
        **({"rounds": list(rounds)} if rounds else {}),
    }
