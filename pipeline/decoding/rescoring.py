"""How likely a model finds texts that were decoded, whoever wrote them: each document is read once for all of them."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from pipeline.decoding.shards import take_share
from pipeline.models.likelihoods import compute_log_probabilities, select_way
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder

# logits that are held at once, in the model's precision
LOGITS = 2**25
# a prompt and texts that were written for it, token ids
Group = tuple[list[int], list[list[int]]]


def rescore(
    decoder: "Decoder", builder: "PromptBuilder", documents: Sequence[str] | None, texts: "pd.DataFrame"
) -> "pd.DataFrame":
    """Minus the log-likelihood of each text after its prompt.

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
    distinct = list(dict.fromkeys(documents if documents is not None else [""]))
    prompts = [prompt.input_ids or [builder.tokenizer.eos_token_id] for prompt in builder.build_prompts(distinct)]
    places: dict[str, list[int]] = {document: [] for document in distinct}
    for place, document in enumerate(documents if documents is not None else [""] * len(texts)):
        places[document].append(place)
    groups = []
    for document, prompt in zip(distinct, prompts, strict=True):
        room = builder.target_length or (builder.context_length - len(prompt))
        groups.append((prompt, [written[place][:room] for place in places[document]]))
    order = list(chain.from_iterable(places.values()))
    found = pd.DataFrame({"nats": _compute_in_shards(decoder.model, groups)}, index=order).sort_index()
    read = dict(zip(order, map(len, chain.from_iterable(many for _, many in groups)), strict=True))
    return found.assign(tokens=[read[place] for place in found.index]).reset_index(drop=True)


def _compute_in_shards(model: Any, groups: Sequence[Group]) -> list[float]:
    """Nats of every text, group by group. Processes that `pipeline.models.processes.join_processes` connected share
    the groups, and each gets all figures."""
    from torch import distributed

    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return list(chain.from_iterable(_compute(model, track(groups, "rank", len(groups)))))
    from accelerate.utils import gather_object

    lengths = [prompt + list(chain.from_iterable(many)) for prompt, many in groups]
    own = take_share(lengths, distributed.get_rank(), distributed.get_world_size())
    parts = gather_object([list(zip(own, _compute(model, [groups[n] for n in own]), strict=True))])
    return list(chain.from_iterable(nats for _, nats in sorted(chain.from_iterable(parts))))


@torch.inference_mode()
def _compute(model: Any, groups: Any) -> Iterator[list[float]]:
    way, most = select_way(model), LOGITS // model.get_input_embeddings().num_embeddings
    for prompt, many in groups:
        found: list[float] = []
        for part in _split(many, most):
            values = compute_log_probabilities(model, prompt, part, way)
            found += [-float(own.sum()) for own in values.double().split([len(tokens) for tokens in part])]
        yield found


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
