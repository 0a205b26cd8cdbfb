"""Several summaries of each document, with their tokens and how likely the model that wrote them finds them."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.shards import decode_in_shards, take_share
from pipeline.models.likelihoods import compute_log_probabilities, select_way
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
    sums = compute_sums(decoder, prompts, groups)
    return table.assign(log_probability=list(chain.from_iterable(sums)))


def compute_sums(
    decoder: Decoder, prompts: Sequence[list[int]], candidates: Sequence[Sequence[list[int]]]
) -> list[list[float]]:
    """The log-probability of each candidate of each prompt, in nats, summed over its tokens.

    Processes that `pipeline.models.processes.join_processes` connected share the prompts, and each gets all figures.
    """
    from torch import distributed

    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return _compute_sums(decoder, prompts, candidates)
    from accelerate.utils import gather_object

    own = take_share(prompts, distributed.get_rank(), distributed.get_world_size())
    part = _compute_sums(decoder, [prompts[n] for n in own], [candidates[n] for n in own])
    found = dict(gather_object(list(zip(own, part, strict=True))))
    return [found[number] for number in range(len(prompts))]


@torch.no_grad()
def _compute_sums(
    decoder: Decoder, prompts: Sequence[list[int]], candidates: Sequence[Sequence[list[int]]]
) -> list[list[float]]:
    way, found = select_way(decoder.model), []
    for prompt, many in zip(prompts, candidates, strict=True):
        values = compute_log_probabilities(decoder.model, prompt, many, way)
        found.append([float(part.sum()) for part in values.split(list(map(len, many)))])
    return found
