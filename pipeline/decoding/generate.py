"""One configuration through transformers' `generate`, in batches."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.decoding.capacity import estimate_rows
from pipeline.decoding.decoder import Decoder
from pipeline.models.generation import build_batches, generate_tokens, is_soft_prompted, sort_by_length
from pipeline.params.grid import Configuration
from pipeline.progress import track

if TYPE_CHECKING:
    from pipeline.decoding.beam import Candidate


def generate_all(
    decoder: Decoder,
    ids: Sequence[str],
    prompts: Sequence[list[int]],
    configuration: Configuration,
    numbers: Sequence[int],
    most: int,
) -> "Iterator[tuple[int, list[Candidate]]]":
    """Places of documents and their candidates.

    Args:
        numbers: places of the documents that are wanted.
        most: documents in a batch, however many would fit.
    """
    order = sort_by_length(prompts, numbers)
    size = decoder.batch_size
    if size is None and order:
        size = max(1, estimate_rows(decoder.model, [configuration], len(prompts[order[0]])) // configuration.cost)
    # a batch shares one stream of random numbers, so a document that samples is alone
    size = 1 if configuration.settings.get("do_sample") else min(size or 1, most)
    batches = build_batches(order, size, prompts, is_soft_prompted(decoder.model))
    for batch in track(batches, configuration.name):
        answers = _generate_batch(decoder, [prompts[n] for n in batch], configuration, ids[batch[0]])
        yield from zip(batch, answers, strict=True)


def _generate_batch(
    decoder: Decoder, prompts: Sequence[list[int]], configuration: Configuration, name: str
) -> "list[list[Candidate]]":
    """For each prompt its candidates.

    Args:
        name: of the first document; where samples are drawn, it is the only one.
    """
    import torch

    from pipeline.decoding.beam import Candidate
    from pipeline.decoding.sampling import derive_seed, describe_for_seed

    settings = dict(configuration.settings)
    if settings.get("do_sample"):
        # transformers would keep the 50 likeliest tokens of a configuration that names no top_k
        settings.setdefault("top_k", 0)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(derive_seed(decoder.seed, describe_for_seed(settings), name))
        answers = generate_tokens(decoder.model, decoder.tokenizer.pad_token_id, prompts, settings)
    return [[Candidate(tokens) for tokens in sequences] for sequences in answers]
