"""How likely a model finds texts that were decoded, whoever wrote them: each document is read once for all of them."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from pipeline.decoding.beam import Candidate
from pipeline.decoding.cache import CandidateCache
from pipeline.decoding.shards import share_out
from pipeline.models.likelihoods import compute_log_probabilities, select_way
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder

# logits that are held at once, in the model's precision
LOGITS = 2**25


def rescore(
    decoder: "Decoder", builder: "PromptBuilder", documents: Sequence[str] | None, texts: "pd.DataFrame"
) -> "pd.DataFrame":
    """Minus the log-likelihood of each text after its prompt. What was read before is remembered, as candidates are.

    Args:
        documents: (texts,) the document of each; None for the prompt without any, which tells how likely a text is by
            itself.
        texts: `text` and `finished`: whether its end belongs to it.

    Returns:
        `nats`, and `tokens`, those that were read, the end-of-text among them; in the order of `texts`.
    """
    import pandas as pd

    labels = builder.build_labels(list(texts["text"]))
    written = [ids if ended else ids[:-1] or ids for ids, ended in zip(labels, texts["finished"], strict=True)]
    given = [""] * len(texts) if documents is None else documents
    distinct = list(dict.fromkeys(given))
    prompts = [prompt.input_ids or [builder.tokenizer.eos_token_id] for prompt in builder.build_prompts(distinct)]
    places: dict[str, list[int]] = {document: [] for document in distinct}
    for place, document in enumerate(given):
        places[document].append(place)
    rooms = [builder.target_length or (builder.context_length - len(prompt)) for prompt in prompts]
    own = [[written[place][:room] for place in many] for many, room in zip(places.values(), rooms, strict=True)]
    with CandidateCache(decoder.fingerprint, decoder.seed) as cache:
        sums = chain.from_iterable(compute_sums(decoder.model, prompts, own, "rank", cache))
    rows = [(-value, len(tokens)) for value, tokens in zip(sums, chain.from_iterable(own), strict=True)]
    found = pd.DataFrame(rows, columns=["nats", "tokens"], index=list(chain.from_iterable(places.values())))
    return found.sort_index().reset_index(drop=True)


def compute_sums(
    model: Any,
    prompts: Sequence[list[int]],
    texts: Sequence[Sequence[list[int]]],
    progress: str,
    cache: CandidateCache | None = None,
) -> list[list[float]]:
    """The log-probability of each text of each prompt, in nats, summed over its tokens.

    Processes that `pipeline.models.processes.join_processes` connected share the prompts, and each gets all figures.

    Args:
        texts: token ids, one or more each, of every prompt.
        cache: remembers the sums of all texts of a prompt together; None to read them in any case.
    """
    cache = cache or CandidateCache(None, 0)
    way, most = select_way(model), LOGITS // model.get_input_embeddings().num_embeddings

    @torch.inference_mode()
    def compute(own: list[int]) -> list[list[float]]:
        found = []
        for number in track(own, progress, len(own)):
            key = cache.build_key(None, prompts[number], {"texts": list(texts[number])})
            known = cache.load(key)
            sums = [candidate.score for candidate in known or []]
            for part in _split(() if known else texts[number], most):
                values = compute_log_probabilities(model, prompts[number], part, way)
                sums += [float(value.sum()) for value in values.double().split(list(map(len, part)))]
            if not known and all(map(math.isfinite, sums)):
                cache.save(key, [Candidate(tokens, value) for tokens, value in zip(texts[number], sums, strict=True)])
            found.append(sums)
        return found

    return share_out(prompts, compute)


def _split(many: Sequence[list[int]], most: int) -> Iterator[list[list[int]]]:
    """Texts that are read together: of so many tokens, or one."""
    part: list[list[int]] = []
    for tokens in many:
        if part and sum(map(len, part)) + len(tokens) > most:
            yield part
            part = []
        part.append(tokens)
    if part:
        yield part
