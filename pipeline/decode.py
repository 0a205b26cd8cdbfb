"""decode: validation documents, base and adapter in; every candidate of every configuration out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.decoding.generate import Decoder, decode_grid
from pipeline.decoding.grid import FEW_SHOT, UNTUNED, Configuration, build_configurations

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.prompts import PromptBuilder
    from pipeline.sections import DecodeParams


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
) -> "tuple[pd.DataFrame, dict[str, float]]":
    """Candidates (`pipeline.tables.CANDIDATES`) of the configurations for the examples, and each one's seconds."""
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    return decode_grid(decoder, list(examples["id"]), prompts, configurations)


def list_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid's configurations; the untuned base is apart, for it is another model with other prompts."""
    return build_configurations(params.grid, params.max_new_tokens)


def compute_metrics(candidates: "pd.DataFrame", seconds: dict[str, float]) -> dict[str, Any]:
    """metrics/decode.json: what decoding cost, in seconds and tokens."""
    total = sum(seconds.values())
    return {
        "documents": int(candidates["id"].nunique()),
        "configurations": len(seconds),
        "seconds": round(total, 1),
        # nothing took time if every candidate was remembered
        "tokens_per_second": round(int(candidates["tokens"].sum()) / total) if total else 0,
        "seconds_by_configuration": seconds,
    }
