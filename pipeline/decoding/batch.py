"""One batch and one configuration through transformers' `generate`."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipeline.params.grid import Configuration, Setting

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from pipeline.decoding.beam import Candidate
    from pipeline.decoding.generate import Decoder


def build_batches(
    order: Sequence[int], size: int, prompts: Sequence[list[int]], needs_equal_lengths: bool
) -> list[list[int]]:
    """Runs of `order` of at most `size` documents, and of one length if padding would do harm."""
    batches: list[list[int]] = []
    for number in order:
        fits = bool(batches) and len(batches[-1]) < size
        if fits and (not needs_equal_lengths or len(prompts[batches[-1][0]]) == len(prompts[number])):
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def is_soft_prompted(model: "PreTrainedModel") -> bool:
    """Whether peft puts vectors in front of a causal model's prompts; padding would stand between the two."""
    config = getattr(model, "active_peft_config", None)
    return bool(config and config.is_prompt_learning and not model.config.is_encoder_decoder)


def generate_batch(
    decoder: "Decoder", prompts: Sequence[list[int]], configuration: Configuration, names: Sequence[str]
) -> "list[list[Candidate]]":
    """For each prompt its candidates. Out of memory halves the batch."""
    import torch

    from pipeline.decoding.engine import is_out_of_memory
    from pipeline.decoding.sampling import derive_seed, describe_for_seed

    settings = dict(configuration.settings)
    if settings.get("do_sample"):
        # transformers would keep the 50 likeliest tokens of a configuration that names no top_k
        settings.setdefault("top_k", 0)
    seed = derive_seed(decoder.seed, describe_for_seed(settings), names[0])
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            return _call_generate(decoder, prompts, settings)
    except (RuntimeError, MemoryError) as error:
        if len(prompts) == 1 or not is_out_of_memory(error):
            raise
    middle = len(prompts) // 2
    halves = [(prompts[:middle], names[:middle]), (prompts[middle:], names[middle:])]
    return [answer for part, own in halves for answer in generate_batch(decoder, part, configuration, own)]


def _call_generate(
    decoder: "Decoder", prompts: Sequence[list[int]], settings: dict[str, Setting]
) -> "list[list[Candidate]]":
    from pipeline.decoding.beam import Candidate
    from pipeline.decoding.engine import get_eos_token_ids

    model = decoder.model
    encodes = model.config.is_encoder_decoder
    input_ids, mask = pad_prompts(prompts, decoder.tokenizer.pad_token_id, encodes)
    output = model.generate(input_ids=input_ids.to(model.device), attention_mask=mask.to(model.device), **settings)
    # a causal model returns the prompt too; an encoder-decoder returns its start token
    new = output[:, 1 if encodes else input_ids.shape[1] :].tolist()
    ends = set(get_eos_token_ids(model))
    candidates = [Candidate(_cut(tokens, ends)) for tokens in new]
    count = len(new) // len(prompts)
    return [candidates[i * count : (i + 1) * count] for i in range(len(prompts))]


def _cut(tokens: list[int], ends: Iterable[int]) -> list[int]:
    """The tokens up to the first end of text, padding left out."""
    at = next((i for i, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[: at + 1]


def pad_prompts(
    prompts: Sequence[list[int]], pad_token_id: int, is_encoder_decoder: bool
) -> "tuple[torch.Tensor, torch.Tensor]":
    """`(input_ids, attention_mask)`, each (prompts, longest). A decoder-only model goes on from the right edge, so its
    padding stands on the left."""
    from torch import tensor
    from torch.nn.utils.rnn import pad_sequence

    side = "right" if is_encoder_decoder else "left"
    masks = [tensor([1] * len(prompt)) for prompt in prompts]
    return (
        pad_sequence([tensor(p) for p in prompts], batch_first=True, padding_value=pad_token_id, padding_side=side),
        pad_sequence(masks, batch_first=True, padding_value=0, padding_side=side),
    )
