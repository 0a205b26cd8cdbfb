"""decode: validation documents, base and adapter in; every candidate of every configuration out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.decoding.generate import Decoder, decode_grid
from pipeline.decoding.grid import UNTUNED, Configuration, build_configurations

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.prompts import PromptBuilder
    from pipeline.sections import DecodeParams


def build_untuned_configuration(max_new_tokens: int) -> Configuration:
    """Greedy decoding with the base alone: what tuning is measured against."""
    return Configuration(UNTUNED, {"max_new_tokens": max_new_tokens})


def decode(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, dict[str, float]]":
    """Candidates (`pipeline.tables.CANDIDATES`) of the configurations for the examples, and each one's seconds."""
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    return decode_grid(decoder, list(examples["id"]), prompts, configurations)


def list_configurations(params: "DecodeParams") -> list[Configuration]:
    """The grid's configurations; the untuned base is apart, for it needs another model."""
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
