"""Decoding by several processes: each takes a share of the documents, and every one gets the whole result."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.grid import decode_grid
from pipeline.params.grid import Configuration

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder

Value = TypeVar("Value")


def decode_examples(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, Effort]":
    """Candidates (`pipeline.tables.CANDIDATES`) of the configurations for the examples, and what they cost."""
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(examples["text"]))]
    return decode_in_shards(decoder, list(examples["id"]), prompts, configurations)


def draw_examples(examples: "pd.DataFrame", count: int | None, seed: int) -> "pd.DataFrame":
    """So many of the examples, in their order; all for None."""
    if count is None or count >= len(examples):
        return examples
    return examples.sample(count, random_state=seed).sort_index()


def decode_in_shards(
    decoder: Decoder, ids: Sequence[str], prompts: Sequence[list[int]], configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, Effort]":
    """`decode_grid` by all processes that `pipeline.models.processes.join_processes` connected, or by this one alone.

    The number of processes changes nothing: a candidate depends on its document and its configuration. In bf16 and
    fp16 that holds as far as it does for other batches of one process, for rounding depends on who shares a batch.
    """
    from torch import distributed

    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return decode_grid(decoder, ids, prompts, configurations)
    from accelerate.utils import gather_object

    own = take_share(prompts, distributed.get_rank(), distributed.get_world_size())
    part = decode_grid(decoder, [ids[n] for n in own], [prompts[n] for n in own], configurations)
    return join_parts(gather_object([part]), ids, configurations)


def share_out(prompts: Sequence[list[int]], compute: Callable[[list[int]], Sequence[Value]]) -> list[Value]:
    """A value for each prompt, in order. Processes that `pipeline.models.processes.join_processes` connected share the
    prompts, and each gets all values.

    Args:
        prompts: by whose lengths the work is shared.
        compute: values of the prompts at some places.
    """
    from torch import distributed

    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return list(compute(list(range(len(prompts)))))
    from accelerate.utils import gather_object

    own = take_share(prompts, distributed.get_rank(), distributed.get_world_size())
    found = dict(gather_object(list(zip(own, compute(own), strict=True))))
    return [found[number] for number in range(len(prompts))]


def take_share(prompts: Sequence[list[int]], rank: int, processes: int) -> list[int]:
    """The places of a process's documents: of every so many of like length one, so that all have as much to do."""
    return sorted(range(len(prompts)), key=lambda n: (-len(prompts[n]), n))[rank::processes]


def join_parts(
    parts: "Sequence[tuple[pd.DataFrame, Effort]]", ids: Sequence[str], configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, Effort]":
    """One table of several: the candidates of these configurations, in the order that `decode_grid` gives them, and the
    efforts added up."""
    import pandas as pd

    effort = Effort()
    for _, own in parts:
        effort.add(own)
    # an empty table has no types, and would take those of the others away
    table = pd.concat([own for own, _ in parts if len(own)] or [parts[0][0]], ignore_index=True)
    places = {name: place for place, name in enumerate(ids)}
    order = {configuration.name: place for place, configuration in enumerate(configurations)}
    keys = {"configuration": table["configuration"].map(order), "id": table["id"].map(places)}
    # whatever else was decoded on the way has no place
    ranked = pd.DataFrame({**keys, "candidate": table["candidate"]}).dropna().sort_values([*keys, "candidate"])
    return table.loc[ranked.index].reset_index(drop=True), effort
