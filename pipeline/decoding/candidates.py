"""Several summaries of each document, with their tokens and how likely the model that wrote them finds them."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.rescoring import compute_sums
from pipeline.decoding.shards import decode_in_shards
from pipeline.params.grid import Configuration

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder


def collect_candidates(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", configurations: Sequence[Configuration]
) -> "pd.DataFrame":
    """What the configurations write for each example; of equal texts of an example the first.

    Returns:
        `pipeline.tables.EXPLORED` but for `score`: in the order of the examples, then of the configurations, by whose
        ranks `candidate` counts.
    """
    ids = list(examples["id"])
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    table, _ = decode_in_shards(decoder, ids, prompts, configurations)
    places = {name: place for place, name in enumerate(ids)}
    table = table.assign(place=table["id"].map(places)).sort_values("place", kind="stable")
    table = table.drop_duplicates(["id", "text"]).reset_index(drop=True)
    table["candidate"] = table.groupby("id", sort=False).cumcount()
    groups = [list(group) for _, group in table.groupby("place")["token_ids"]]
    sums = compute_sums(decoder.model, prompts, groups, "explore")
    return table.assign(log_probability=list(chain.from_iterable(sums)))
