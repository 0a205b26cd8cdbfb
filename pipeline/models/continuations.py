"""task: generation: the tokens of whole texts and of what follows an opening."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.token_counts import describe_truncation
from pipeline.models.tokenizer import encode_texts

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from pipeline.models.prompts import Prompt, PromptBuilder
    from pipeline.params.file_sections import GenerationParams


def get_block_size(builder: "PromptBuilder", params: "GenerationParams") -> int:
    """Tokens of text that are learnt as one example: `generation.block_size`, or as many as the context has.

    Raises:
        InputError: if the context has fewer, or the model is no causal one.
    """
    if builder.is_encoder_decoder:
        raise InputError("task: generation needs a causal model; model.name is an encoder-decoder")
    size = params.block_size or builder.context_length
    if size > builder.context_length:
        raise InputError(f"generation.block_size: {size} does not fit into a context of {builder.context_length}")
    return size


def join_texts(examples: "pd.DataFrame") -> list[str]:
    """Whole texts: each opening with what follows it."""
    return [text + "".join(rest) for text, rest in zip(examples["text"], examples["summaries"], strict=True)]


def encode_continuations(
    tokenizer: "PreTrainedTokenizerBase", openings: Sequence[str], texts: Sequence[str]
) -> list[list[int]]:
    """Token ids of what follows each opening, end-of-text not among them.

    They are those of the whole text, as it is learnt; unless a token reaches over the end of the opening, which a
    model that is given the opening cannot write.
    """
    wholes = encode_texts(tokenizer, [opening + text for opening, text in zip(openings, texts, strict=True)])
    given, alone = (encode_texts(tokenizer, many) for many in (openings, texts))
    return [
        whole[len(front) :] if whole[: len(front)] == front else own
        for whole, front, own in zip(wholes, given, alone, strict=True)
    ]


def _describe_cut(prompts: "Sequence[Prompt]") -> dict[str, Any]:
    return describe_truncation([p.document_tokens for p in prompts], [p.kept_tokens for p in prompts])


def describe_texts(
    splits: "Mapping[str, pd.DataFrame]", builder: "PromptBuilder", params: "GenerationParams"
) -> dict[str, Any]:
    """What details/preprocess.json says of lengths: of whole texts to learn, of openings, and of what follows them.

    Raises:
        InputError: as `get_block_size`.
    """
    size = get_block_size(builder, params)
    train, valid, test = (list(splits[name]["text"]) for name in ("train", "valid", "test"))
    tokens = sorted(map(len, encode_texts(builder.tokenizer, train)))
    rests = encode_continuations(builder.tokenizer, valid, [many[0] for many in splits["valid"]["summaries"]])
    rest = sorted(map(len, rests))
    openings = {"valid": valid, "test": test}
    return {
        "context_length": builder.context_length,
        "truncation": {name: _describe_cut(builder.build_prompts(texts)) for name, texts in openings.items()},
        "text": {
            "tokens": sum(tokens),
            "tokens_median": tokens[len(tokens) // 2],
            "tokens_max": tokens[-1],
            "block_size": size,
            # an end-of-text behind each
            "blocks": -(-(sum(tokens) + len(tokens)) // size),
        },
        "continuation": {"tokens_median": rest[len(rest) // 2], "tokens_max": rest[-1]},
    }


def read_continuation(
    prompt: list[int], tokens: list[int], tokenizer: "PreTrainedTokenizerBase"
) -> tuple[str, int, bool]:
    """As `pipeline.models.generation.read_summary`, with the white space as it was written, also in front."""
    end = tokenizer.eos_token_id
    finished = end in tokens
    length = tokens.index(end) + 1 if finished else len(tokens)
    # some tokenizers drop the space in front of a first word
    given, whole = (tokenizer.decode(ids, skip_special_tokens=True) for ids in (prompt, prompt + tokens[:length]))
    text = (
        whole[len(given) :] if whole.startswith(given) else tokenizer.decode(tokens[:length], skip_special_tokens=True)
    )
    return text.replace("\ufffd", "").replace("\0", "").rstrip(), length, finished
