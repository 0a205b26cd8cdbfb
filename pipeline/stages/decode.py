"""decode: validation documents, base and adapter in; every candidate of every configuration out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.decoding.decoder import Decoder, Effort, Source
from pipeline.decoding.judging import collect_human, judge
from pipeline.decoding.map_reduce import decode_by_parts
from pipeline.decoding.shards import decode_examples, draw_examples, join_parts
from pipeline.params.grid import Configuration, list_configurations, list_map_reduce, list_untuned
from pipeline.scoring.halving import Round, race
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rouge.pairs import compute_weighted_rouge

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder
    from pipeline.params.result_sections import DecodeParams, HalvingParams


@dataclass(frozen=True)
class Decoded:
    """Every candidate (`pipeline.tables.CANDIDATES`), what that cost (details/decode.json), and halving's rounds."""

    candidates: "pd.DataFrame"
    details: dict[str, Any]
    rounds: list[dict[str, Any]]


def decode(examples: "pd.DataFrame", params: "DecodeParams", source: Source) -> Decoded:
    """The grid and map-reduce with the tuned model; then the rows of the untuned base, for some of the examples.

    Raises:
        InputError: if a model cannot be loaded, or the engine that is asked for cannot serve it.
    """
    import pandas as pd

    tables, effort, rounds = decode_tuned(*source.load_tuned(), examples, params)
    # one base for both rows of it, loaded when the tuned model is gone
    if untuned_rows := list_untuned(params):
        base = source.load_base()
        few = draw_examples(examples, params.untuned_documents, base.seed)
        for untuned in untuned_rows:
            table, own = decode_examples(base, source.build_base_prompts(untuned.shots), few, [untuned])
            tables.append(table)
            effort.add(own)
    candidates = pd.concat(tables, ignore_index=True)
    return Decoded(candidates, compute_details(candidates, effort, rounds), rounds)


def decode_tuned(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", params: "DecodeParams"
) -> "tuple[list[pd.DataFrame], Effort, list[dict[str, Any]]]":
    """Candidates of all that the tuned model decodes, table by table; what that cost; halving's rounds."""
    table, effort, rounds = search_grid(decoder, builder, examples, params)
    tables = [table]
    for configuration in list_map_reduce(params):
        table, own = decode_by_parts(decoder, builder, examples, configuration)
        tables.append(table)
        effort.add(own)
    return tables, effort, rounds


def decode_openings(openings: "pd.DataFrame", params: "DecodeParams", source: Source) -> Decoded:
    """As `decode`, for openings: the grid, the untuned base for some of them, and what people wrote on, cut at
    `max_new_tokens` too.

    Args:
        openings: `id`, `text`, and in `summaries` what follows it.

    Returns:
        Candidates with how likely the tuned model finds each (`pipeline.tables.CONTINUATIONS`); no rounds.
    """
    import pandas as pd

    effort, tables = Effort(), []
    # the tuned model last, for it judges them all
    if untuned_rows := list_untuned(params):
        base = source.load_base()
        few = draw_examples(openings, params.untuned_documents, base.seed)
        table, own = decode_examples(base, source.build_base_prompts(0), few, untuned_rows)
        # memory holds one model at a time
        del base
        tables.append(table)
        effort.add(own)
    decoder, builder = source.load_tuned()
    table, own = decode_examples(decoder, builder, openings, list_configurations(params))
    effort.add(own)
    candidates = pd.concat([table, *tables], ignore_index=True)
    human = collect_human(openings, builder.tokenizer, params.max_new_tokens)
    judged = judge(decoder, builder, openings, pd.concat([candidates, human], ignore_index=True))
    return Decoded(judged, compute_details(candidates, effort), [])


def search_grid(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", params: "DecodeParams"
) -> "tuple[pd.DataFrame, Effort, list[dict[str, Any]]]":
    """Candidates of all configurations of the grid, or of those that halving left; what that cost; halving's rounds."""
    configurations = list_configurations(params)
    if params.search == "halving":
        return decode_by_halving(decoder, builder, examples, configurations, params.halving, decoder.seed)
    return *decode_examples(decoder, builder, examples, configurations), []


def decode_by_halving(
    decoder: Decoder,
    builder: "PromptBuilder",
    examples: "pd.DataFrame",
    configurations: Sequence[Configuration],
    params: "HalvingParams",
    seed: int,
) -> "tuple[pd.DataFrame, Effort, list[dict[str, Any]]]":
    """As `decode_examples`, for the configurations that successive halving leaves on its way through the examples.

    Args:
        seed: of the order of the examples.

    Returns:
        Candidates of the survivors, what all rounds cost, and the rounds: `documents` summarized so far, and the mean
        `scores` by configuration, best first.
    """
    rouge, parts = Rouge(params.tokenizer), []

    def run(documents: Sequence[int], places: Sequence[int]) -> "tuple[np.ndarray, Sequence[Sequence[str]]]":
        chosen, tried = examples.iloc[list(documents)], [configurations[place] for place in places]
        parts.append(decode_examples(decoder, builder, chosen, tried))
        # by configuration, then by document: the first candidates are a table of both
        texts = parts[-1][0].query("candidate == 0")["text"].tolist()
        scores = compute_weighted_rouge(texts, [*chosen["summaries"]] * len(tried), rouge, params.weights)
        summaries = [texts[start : start + len(chosen)] for start in range(0, len(texts), len(chosen))]
        return scores.to_numpy().reshape(len(tried), -1), summaries

    costs = [configuration.cost for configuration in configurations]
    alive, rounds = race(costs, len(examples), params.budget, seed, run)
    table, effort = join_parts(parts, list(examples["id"]), [configurations[place] for place in alive])
    return table, effort, [_describe_round(one, configurations) for one in rounds]


def _describe_round(one: Round, configurations: Sequence[Configuration]) -> dict[str, Any]:
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


def compute_details(
    candidates: "pd.DataFrame", effort: Effort, rounds: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """details/decode.json: what decoding cost, in seconds, tokens and rows. A row is a sequence that takes a step;
    `distinct_rows` is the share that was computed, for equal ones are computed once. Those of a configuration are whole
    though some of its candidates were remembered; all other figures are of this run."""
    return {
        "documents": int(candidates["id"].nunique()),
        "configurations": len(effort.seconds),
        "seconds": round(effort.spent, 1),
        # nothing took time if every candidate was remembered
        "tokens_per_second": round(effort.tokens / effort.spent) if effort.spent else 0,
        "rows": effort.wanted_rows,
        "distinct_rows": round(effort.rows / effort.wanted_rows, 3) if effort.wanted_rows else None,
        "seconds_by_configuration": {name: round(seconds, 2) for name, seconds in effort.seconds.items()},
        **({"rounds": list(rounds)} if rounds else {}),
    }
