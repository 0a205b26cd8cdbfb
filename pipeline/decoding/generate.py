"""Every configuration of a grid for every prompt, by the shared-prefix engine or by transformers' `generate`.

`generate` runs one configuration after the other, in left-padded batches: right for every model that transformers can
generate with, and the oracle for the engine, which takes all configurations in one pass. What the engine cannot serve
goes to `generate` by itself, and one line says why.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.decoding.batch import build_batches, generate_batch, is_soft_prompted
from pipeline.decoding.cache import CandidateCache
from pipeline.errors import InputError
from pipeline.params.grid import Configuration
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from pipeline.decoding.beam import Candidate

logger = logging.getLogger(__name__)
# documents together, when memory sets no limit: past this a step is no cheaper a document
MANY = 64


@dataclass(frozen=True)
class Decoder:
    """A model ready to decode: the seam behind which the way of decoding may change.

    Args:
        batch_size: documents decoded together; None for as many as fit into free memory.
        seed: a sample depends on it, the configuration's settings, the example's id and the sample's index alone.
        engine: `shared` (the shared-prefix engine), `generate`, or `auto`: the first, if it can serve the model.
        fingerprint: of everything about the model that shapes what it writes; candidates are remembered under it. None
            to remember nothing.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    batch_size: int | None
    seed: int
    engine: str = "auto"
    fingerprint: str | None = None


@dataclass
class Effort:
    """What decoding cost; candidates that were remembered cost nothing.

    Args:
        seconds: by configuration; in one pass, its share of the rows.
        rows: rows computed, summed over the engine's steps.
        wanted_rows: rows that the searches followed; equal ones were computed once.
    """

    seconds: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    wanted_rows: int = 0

    def add(self, other: "Effort") -> None:
        """Adds what another process, or another round, cost."""
        # update, for a sum of Counters drops what is zero
        self.seconds.update(other.seconds)
        self.rows += other.rows
        self.wanted_rows += other.wanted_rows


def decode_grid(
    decoder: Decoder, ids: Sequence[str], prompts: Sequence[list[int]], configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, Effort]":
    """Every candidate of every configuration for every prompt.

    Args:
        ids: one unique id a prompt.
        prompts: token ids, ragged.

    Returns:
        Candidates: `id`, `configuration`, `candidate` (0 is the best of its configuration), `text`, `tokens`
        (generated, end-of-text included), `finished` (end-of-text was reached); in the order of configurations, then
        `ids`. And what they cost.

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
        for number, index, candidates in _decode(decoder, ids, prompts, configurations, missing, effort):
            found[number, index] = candidates
            cache.save(keys[number, index], candidates)
    rows = [
        (ids[number], configurations[index].name, rank, *_read(candidate.tokens, decoder.tokenizer))
        for number, index in keys
        for rank, candidate in enumerate(found[number, index])
    ]
    columns = ["id", "configuration", "candidate", "text", "tokens", "finished"]
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
) -> "Iterator[tuple[int, int, list[Candidate]]]":
    """Decodes what is missing, each configuration by what can; adds to `effort`."""
    wanted = sorted({index for _, index in missing})
    shared = set(select_shared(decoder, [configurations[index] for index in wanted]))
    for_engine = [pair for pair in missing if configurations[pair[1]].name in shared]
    if for_engine:
        yield from track(_share(decoder, ids, prompts, configurations, for_engine, effort), "decode", len(for_engine))
    for index in wanted:
        if configurations[index].name not in shared:
            numbers = [number for number, i in missing if i == index]
            started = time.perf_counter()
            yield from _generate_all(decoder, ids, prompts, configurations[index], index, numbers)
            effort.seconds[configurations[index].name] += time.perf_counter() - started


def select_shared(decoder: Decoder, configurations: Sequence[Configuration]) -> list[str]:
    """Names of the configurations that the shared-prefix engine decodes; says in one line why others are not.

    Raises:
        InputError: if the engine was asked for by name and cannot.
    """
    if decoder.engine == "generate" or not configurations:
        return []
    from pipeline.decoding.support import find_obstacle

    # beams that sample draw without replacement over all beams of a search at once, where rows are no longer apart
    drawn = [c.name for c in configurations if c.settings.get("do_sample") and c.settings.get("num_beams", 1) > 1]
    obstacle = find_obstacle(decoder.model)
    if obstacle is not None:
        reason, shared = f"the model: {obstacle}", []
    elif drawn:
        reason = f"{', '.join(drawn)}: beams that sample"
        shared = [c.name for c in configurations if c.name not in drawn]
    else:
        return [c.name for c in configurations]
    if decoder.engine == "shared":
        raise InputError(f"decode.engine: shared cannot serve {reason}; use auto or generate")
    logger.warning("decoding with generate, one configuration after the other, for %s", reason)
    return shared


def _share(
    decoder: Decoder,
    ids: Sequence[str],
    prompts: Sequence[list[int]],
    configurations: Sequence[Configuration],
    pairs: Sequence[tuple[int, int]],
    effort: Effort,
) -> "Iterator[tuple[int, int, list[Candidate]]]":
    """All in one pass; a configuration's seconds are its share of the rows."""
    from pipeline.decoding.capacity import estimate_rows
    from pipeline.decoding.engine import Document, SharedPrefixEngine

    wanted: dict[int, list[int]] = {}
    for number, index in pairs:
        wanted.setdefault(number, []).append(index)
    documents = [Document(ids[n], prompts[n], tuple(indices)) for n, indices in wanted.items()]
    longest = max(len(document.prompt) for document in documents)
    rows = estimate_rows(decoder.model, configurations, longest)
    engine = SharedPrefixEngine(decoder.model, configurations, decoder.seed, rows, decoder.batch_size or MANY)
    numbers = {name: number for number, name in enumerate(ids)}
    for name, index, candidates in engine.decode(documents):
        yield numbers[name], index, candidates
    counted = engine.statistics
    seconds = Counter({configurations[index].name: taken for index, taken in counted.seconds.items()})
    effort.add(Effort(seconds, counted.rows, counted.wanted_rows))


def _generate_all(
    decoder: Decoder,
    ids: Sequence[str],
    prompts: Sequence[list[int]],
    configuration: Configuration,
    index: int,
    numbers: Sequence[int],
) -> "Iterator[tuple[int, int, list[Candidate]]]":
    """One configuration, in batches."""
    from pipeline.decoding.capacity import estimate_rows

    # longest first: batches of like length pad little, and running out of memory happens at once or not at all
    order = sorted(numbers, key=lambda n: (-len(prompts[n]), n))
    size = decoder.batch_size
    if size is None and order:
        size = max(1, estimate_rows(decoder.model, [configuration], len(prompts[order[0]])) // configuration.cost)
    # a batch shares one stream of random numbers, so a document that samples is alone
    size = 1 if configuration.settings.get("do_sample") else min(size or 1, MANY)
    batches = build_batches(order, size, prompts, is_soft_prompted(decoder.model))
    for batch in track(batches, configuration.name):
        answers = generate_batch(decoder, [prompts[n] for n in batch], configuration, [ids[n] for n in batch])
        for number, candidates in zip(batch, answers, strict=True):
            yield number, index, candidates


def _read(tokens: list[int], tokenizer: "PreTrainedTokenizerBase") -> tuple[str, int, bool]:
    """Text before end-of-text, number of tokens up to and with it, whether it was reached."""
    end = tokenizer.eos_token_id
    finished = end in tokens
    length = tokens.index(end) + 1 if finished else len(tokens)
    # a cap can cut a Hangul syllable's three bytes; half a syllable is no text
    text = tokenizer.decode(tokens[:length], skip_special_tokens=True).replace("\ufffd", "")
    return " ".join(text.split()), length, finished
