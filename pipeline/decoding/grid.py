"""Every configuration of a grid for every prompt, by the shared-prefix engine or by transformers' `generate`.

`generate` runs one configuration after the other, in left-padded batches: right for every model that transformers can
generate with, and the oracle for the engine, which takes all configurations in one pass. What the engine cannot serve
goes to `generate` by itself, and one line says why.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.decoding.cache import CandidateCache
from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.generate import generate_all
from pipeline.errors import InputError
from pipeline.params.grid import Configuration
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.beam import Candidate

logger = logging.getLogger(__name__)
# documents together, when memory sets no limit: past this a step is no cheaper a document
MANY = 64
_REFUSAL = "decode.engine: shared cannot serve {}; use auto or generate"


def decode_grid(
    decoder: Decoder, ids: Sequence[str], prompts: Sequence[list[int]], configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, Effort]":
    """Every candidate of every configuration for every prompt.

    Args:
        ids: one unique id a prompt.
        prompts: token ids, ragged.

    Returns:
        Candidates: `id`, `configuration`, `candidate` (0 is the best of its configuration), `text`, `tokens`
        (generated, end-of-text included), `finished` (end-of-text was reached), `token_ids` (those tokens); in the
        order of configurations, then `ids`. And what they cost.

    Raises:
        InputError: if the engine is asked for by name and cannot serve the model or a configuration.
    """
    import pandas as pd

    # who asks for generate by name wants to see what generate gives, not what the engine gave
    forced = " generate" if decoder.engine == "generate" else ""
    cache = CandidateCache(decoder.fingerprint and decoder.fingerprint + forced, decoder.seed)
    keys = {
        (n, c): cache.build_key(ids[n], prompts[n], configurations[c].settings) for n, c in _pairs(ids, configurations)
    }
    found = {pair: candidates for pair, key in keys.items() if (candidates := cache.load(key)) is not None}
    missing = [pair for pair in keys if pair not in found]
    effort = Effort(Counter({configuration.name: 0.0 for configuration in configurations}))
    with cache:
        for number, index, candidates, seconds in _decode(decoder, ids, prompts, configurations, missing, effort):
            effort.spent += seconds
            found[number, index] = [replace(one, seconds=seconds / len(candidates)) for one in candidates]
            cache.save(keys[number, index], found[number, index])
    rows, decoded = [], set(missing)
    for number, index in keys:
        for rank, candidate in enumerate(found[number, index]):
            text, length, finished = decoder.read(prompts[number], candidate.tokens)
            effort.seconds[configurations[index].name] += candidate.seconds
            effort.tokens += length if (number, index) in decoded else 0
            row = ids[number], configurations[index].name, rank, text, length, finished, candidate.tokens[:length]
            rows.append(row)
    columns = ["id", "configuration", "candidate", "text", "tokens", "finished", "token_ids"]
    return pd.DataFrame(rows, columns=columns), effort


def _pairs(ids: Sequence[str], configurations: Sequence[Configuration]) -> list[tuple[int, int]]:
    """Numbers of documents and configurations, in the order of the result."""
    return [(number, index) for index in range(len(configurations)) for number in range(len(ids))]


def _decode(
    decoder: Decoder,
    ids: Sequence[str],
    prompts: Sequence[list[int]],
    configurations: Sequence[Configuration],
    missing: Sequence[tuple[int, int]],
    effort: Effort,
) -> "Iterator[tuple[int, int, list[Candidate], float]]":
    """Decodes what is missing, each configuration by what can, with the seconds taken; adds rows to `effort`."""
    wanted = sorted({index for _, index in missing})
    shared = set(select_shared(decoder, [configurations[index] for index in wanted]))
    for_engine = [pair for pair in missing if configurations[pair[1]].name in shared]
    if for_engine:
        yield from track(_share(decoder, ids, prompts, configurations, for_engine, effort), "decode", len(for_engine))
    for index in wanted:
        if configurations[index].name not in shared:
            numbers = [number for number, i in missing if i == index]
            started = time.perf_counter()
            for number, candidates in generate_all(decoder, ids, prompts, configurations[index], numbers, MANY):
                # the first of a batch has waited for all of it
                seconds = time.perf_counter() - started
                yield number, index, candidates, seconds
                started = time.perf_counter()


def select_shared(decoder: Decoder, configurations: Sequence[Configuration]) -> list[str]:
    """Names of the configurations that the shared-prefix engine decodes; says in one line why others are not.

    Raises:
        InputError: if the engine was asked for by name and cannot, or there are several models, whose probabilities
            nothing else averages.
    """
    if (decoder.engine == "generate" and not decoder.others) or not configurations:
        return []
    from pipeline.decoding.support import find_obstacle

    drawn = check_engine(decoder.engine, configurations)
    found = map(find_obstacle, (decoder.model, *decoder.others))
    obstacle = next((obstacle for obstacle in found if obstacle is not None), None)
    if obstacle is not None:
        reason, shared = f"the model: {obstacle}", []
    elif drawn:
        reason = _describe_drawn(drawn)
        shared = [c.name for c in configurations if c.name not in drawn]
    else:
        return [c.name for c in configurations]
    if decoder.others:
        raise InputError(f"probabilities of several models cannot be averaged for {reason}")
    if decoder.engine == "shared":
        raise InputError(_REFUSAL.format(reason))
    logger.warning("decoding with generate, one configuration after the other, for %s", reason)
    return shared


def check_engine(engine: str, configurations: Sequence[Configuration]) -> list[str]:
    """Names of the configurations that the shared-prefix engine serves with no model: beams that sample draw without
    replacement over all beams of a search at once, where rows are no longer apart.

    Raises:
        InputError: if there are such and the engine was asked for by name.
    """
    drawn = [c.name for c in configurations if c.settings.get("do_sample") and c.settings.get("num_beams", 1) > 1]
    if drawn and engine == "shared":
        raise InputError(_REFUSAL.format(_describe_drawn(drawn)))
    return drawn


def _describe_drawn(names: Sequence[str]) -> str:
    return f"{', '.join(names)}: beams that sample"


def _share(
    decoder: Decoder,
    ids: Sequence[str],
    prompts: Sequence[list[int]],
    configurations: Sequence[Configuration],
    pairs: Sequence[tuple[int, int]],
    effort: Effort,
) -> "Iterator[tuple[int, int, list[Candidate], float]]":
    """All in one pass; a configuration's seconds are its share of the rows."""
    from pipeline.decoding.capacity import estimate_rows
    from pipeline.decoding.engine import SharedPrefixEngine
    from pipeline.decoding.plan import Document

    wanted: dict[int, list[int]] = {}
    for number, index in pairs:
        wanted.setdefault(number, []).append(index)
    documents = [Document(ids[n], prompts[n], tuple(indices)) for n, indices in wanted.items()]
    longest = max(len(document.prompt) for document in documents)
    rows = max(1, estimate_rows(decoder.model, configurations, longest) // (1 + len(decoder.others)))
    limits = decoder.seed, rows, decoder.batch_size or MANY
    engine = SharedPrefixEngine(decoder.model, configurations, *limits, others=decoder.others)
    numbers = {name: number for number, name in enumerate(ids)}
    counted, told = engine.statistics, dict.fromkeys(range(len(configurations)), 0.0)
    for name, index, candidates in engine.decode(documents):
        # what others in flight have taken so far comes with it; of all documents the sum is right
        seconds = counted.seconds.get(index, 0.0) - told[index]
        told[index] += seconds
        yield numbers[name], index, candidates, seconds
    effort.add(Effort(rows=counted.rows, wanted_rows=counted.wanted_rows))
