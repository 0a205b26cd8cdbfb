"""Decoding through transformers' `generate`: one configuration after the other, in left-padded batches.

Right for every model that transformers can generate with, and the oracle for anything faster.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.decoding.grid import Configuration, Setting
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Decoder:
    """A model ready to decode: the seam behind which the way of decoding may change.

    Args:
        batch_size: documents decoded together.
        seed: sampling depends on it, the configuration and the batch.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    batch_size: int
    seed: int


def decode_grid(
    decoder: Decoder, ids: Sequence[str], prompts: Sequence[list[int]], configurations: Sequence[Configuration]
) -> "tuple[pd.DataFrame, dict[str, float]]":
    """Every candidate of every configuration for every prompt.

    Args:
        ids: one unique id a prompt.
        prompts: token ids, ragged.

    Returns:
        Candidates: `id`, `configuration`, `candidate` (0 is the best of its configuration), `text`, `tokens`
        (generated, end-of-text included), `finished` (end-of-text was reached); in the order of configurations, then
        `ids`. And the seconds that each configuration took.
    """
    import pandas as pd

    rows, seconds = [], {}
    # longest first: batches of like length pad little, and running out of memory happens at once or not at all
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
    batches = [order[i : i + decoder.batch_size] for i in range(0, len(order), decoder.batch_size)]
    for configuration in configurations:
        started = time.perf_counter()
        decoded: dict[int, list[tuple[str, int, bool]]] = {}
        for number, batch in enumerate(track(batches, configuration.name)):
            candidates = _generate(decoder, [prompts[i] for i in batch], configuration, number)
            decoded.update(zip(batch, candidates, strict=True))
        for i, name in enumerate(ids):
            rows += [(name, configuration.name, rank, *candidate) for rank, candidate in enumerate(decoded[i])]
        seconds[configuration.name] = round(time.perf_counter() - started, 2)
    columns = ["id", "configuration", "candidate", "text", "tokens", "finished"]
    return pd.DataFrame(rows, columns=columns), seconds


def _generate(
    decoder: Decoder, prompts: Sequence[list[int]], configuration: Configuration, batch_number: int
) -> list[list[tuple[str, int, bool]]]:
    """For each prompt its candidates: text, generated tokens, whether end-of-text was reached."""
    import torch

    model, tokenizer = decoder.model, decoder.tokenizer
    input_ids, mask = pad_prompts(prompts, tokenizer.pad_token_id, model.config.is_encoder_decoder)
    torch.manual_seed(_derive_seed(decoder.seed, configuration.name, batch_number))
    with torch.inference_mode():
        output = model.generate(
            input_ids=input_ids.to(model.device), attention_mask=mask.to(model.device), **build_arguments(configuration)
        )
    # a causal model returns the prompt too; an encoder-decoder returns its start token
    new = output[:, 1 if model.config.is_encoder_decoder else input_ids.shape[1] :].tolist()
    count = len(new) // len(prompts)
    candidates = [_read(tokens, tokenizer) for tokens in new]
    return [candidates[i * count : (i + 1) * count] for i in range(len(prompts))]


def build_arguments(configuration: Configuration) -> dict[str, Setting]:
    """Keyword arguments of `generate`: the configuration's own, and nothing hidden.

    transformers samples from the 50 likeliest tokens unless told otherwise; a configuration without `top_k` means all.
    """
    hidden = {"top_k": 0} if configuration.settings.get("do_sample") else {}
    return {**hidden, **configuration.settings}


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


def _read(tokens: list[int], tokenizer: "PreTrainedTokenizerBase") -> tuple[str, int, bool]:
    """Text before end-of-text, number of tokens up to and with it, whether it was reached."""
    end = tokenizer.eos_token_id
    finished = end in tokens
    length = tokens.index(end) + 1 if finished else len(tokens)
    # a cap can cut a Hangul syllable's three bytes; half a syllable is no text
    text = tokenizer.decode(tokens[:length], skip_special_tokens=True).replace("\ufffd", "")
    return " ".join(text.split()), length, finished


def _derive_seed(*parts: object) -> int:
    """A seed that depends on the parts alone, not on what was drawn before."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")
