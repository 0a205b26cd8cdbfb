"""Prompts through transformers' `generate`, a batch at a time: right for every model that it can generate with."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.models.devices import is_out_of_memory

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def summarize_greedily(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[list[int]],
    max_new_tokens: int,
    batch_size: int,
) -> list[str]:
    """The texts of `write_greedily`."""
    return [text for text, _, _ in write_greedily(model, tokenizer, prompts, max_new_tokens, batch_size)]


def write_greedily(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[list[int]],
    max_new_tokens: int,
    batch_size: int,
) -> list[tuple[str, int, bool]]:
    """The likeliest summary of each prompt, token by token, as `read_summary` gives it.

    Args:
        prompts: token ids, ragged.
        batch_size: prompts read together; fewer where memory runs out.
    """
    import torch

    written = [("", 0, False)] * len(prompts)
    for batch in build_batches(sort_by_length(prompts), batch_size, prompts, is_soft_prompted(model)):
        with torch.inference_mode():
            chosen = [prompts[number] for number in batch]
            answers = generate_tokens(model, tokenizer.pad_token_id, chosen, {"max_new_tokens": max_new_tokens})
        for number, (tokens,) in zip(batch, answers, strict=True):
            written[number] = read_summary(tokens, tokenizer)
    return written


def sort_by_length(prompts: Sequence[list[int]], numbers: Iterable[int] | None = None) -> list[int]:
    """Places of prompts, longest first: batches of like length pad little, and memory runs out at once or never."""
    places = range(len(prompts)) if numbers is None else numbers
    return sorted(places, key=lambda n: (-len(prompts[n]), n))


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


def generate_tokens(
    model: "PreTrainedModel", pad_token_id: int, prompts: Sequence[list[int]], settings: dict[str, Any]
) -> list[list[list[int]]]:
    """For each prompt its sequences, best first: new token ids up to the first end of text. Out of memory halves the
    batch.

    Args:
        settings: keyword arguments of `generate`.
    """
    try:
        return _call_generate(model, pad_token_id, prompts, settings)
    except (RuntimeError, MemoryError) as error:
        if len(prompts) == 1 or not is_out_of_memory(error):
            raise
    middle = len(prompts) // 2
    halves = prompts[:middle], prompts[middle:]
    return [answer for part in halves for answer in generate_tokens(model, pad_token_id, part, settings)]


def _call_generate(
    model: "PreTrainedModel", pad_token_id: int, prompts: Sequence[list[int]], settings: dict[str, Any]
) -> list[list[list[int]]]:
    encodes = model.config.is_encoder_decoder
    input_ids, mask = pad_prompts(prompts, pad_token_id, encodes)
    output = model.generate(input_ids=input_ids.to(model.device), attention_mask=mask.to(model.device), **settings)
    # a causal model returns the prompt too; an encoder-decoder returns its start token
    new = output[:, 1 if encodes else input_ids.shape[1] :].tolist()
    ends = set(get_eos_token_ids(model))
    sequences = [_cut(tokens, ends) for tokens in new]
    count = len(new) // len(prompts)
    return [sequences[i * count : (i + 1) * count] for i in range(len(prompts))]


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


def get_eos_token_ids(model: Any) -> list[int]:
    """The tokens that end a sequence; [] if the model knows none."""
    ids = model.generation_config.eos_token_id
    return [] if ids is None else list(ids) if isinstance(ids, list | tuple) else [ids]


def read_summary(tokens: list[int], tokenizer: "PreTrainedTokenizerBase") -> tuple[str, int, bool]:
    """Text before end-of-text, number of tokens up to and with it, whether it was reached."""
    end = tokenizer.eos_token_id
    finished = end in tokens
    length = tokens.index(end) + 1 if finished else len(tokens)
    # a cap can cut a Hangul syllable's three bytes, and a byte can be 0; half a syllable is no text, nor is NUL
    text = tokenizer.decode(tokens[:length], skip_special_tokens=True).replace("\ufffd", "").replace("\0", "")
    return " ".join(text.split()), length, finished
