"""Tokenizers: built from the competition's text, or loaded with a model and tested on Korean before use."""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.rebalance import rebalance

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
# texts that are encoded together
_TOGETHER = 1000
KOREAN_PROBE = "헌법재판소는 12월 3일, 청구인의 심판청구를 각하하였다."


def build_bpe_tokenizer(
    texts: Sequence[str], vocab_size: int, context_length: int, rebalanced: float | None = None
) -> "PreTrainedTokenizerBase":
    """A byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019) of at most `vocab_size` tokens.

    Digits stand alone, so that a small model copies an amount digit by digit instead of learning each number by heart.
    Deterministic: equal texts give an equal vocabulary.

    Args:
        rebalanced: a probability above which pairs of tokens are merged, beyond `vocab_size`
            (`pipeline.models.rebalance`); None for none.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    if rebalanced is not None:
        bpe = rebalance(bpe, texts, rebalanced)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=PAD,
        model_max_length=context_length,
    )


def load_tokenizer(name: str, revision: str | None, trust_remote_code: bool) -> "PreTrainedTokenizerBase":
    """The tokenizer of a folder or a hub id, with a pad token and a proven Korean round trip.

    Raises:
        InputError: if there is none, it cannot be reached, or it cannot write Korean.
    """
    from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

    files = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
    folder = Path(name)
    # without this, transformers makes up an empty tokenizer from the model's type
    if folder.is_dir() and not any((folder / file).is_file() for file in files):
        raise InputError(f"model.name: {name}: no tokenizer could be loaded: the folder has none of {', '.join(files)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=trust_remote_code)
        if not keeps_korean(tokenizer) and has_tokenizer_json(name, revision):
            # with only tokenizer.json beside a GPT-2 config, as KoGPT2 has it, AutoTokenizer may lay ByteLevel over a
            # Metaspace one
            alone = PreTrainedTokenizerFast.from_pretrained(name, revision=revision)
            if keeps_korean(alone):
                name_special_tokens(alone, AutoConfig.from_pretrained(name, revision=revision))
                tokenizer = alone
    except Exception as error:  # tokenizers raises bare Exceptions for files that it cannot read
        raise InputError(f"model.name: {name}: no tokenizer could be loaded: {_first_line(error)}") from error
    if not keeps_korean(tokenizer):
        raise InputError(f"model.name: {name}: its tokenizer does not give Korean back: {KOREAN_PROBE!r} is changed")
    if tokenizer.eos_token_id is None and tokenizer.sep_token_id is not None:
        # BERT's texts stand between [CLS] and [SEP]
        tokenizer.bos_token, tokenizer.eos_token = tokenizer.cls_token, tokenizer.sep_token
    if tokenizer.eos_token_id is None:
        raise InputError(f"model.name: {name}: its tokenizer has no end-of-text token, so no summary could ever end")
    if tokenizer.pad_token_id is None:
        # safe with the attention masks and the label masks that we always pass
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def has_tokenizer_json(name: str, revision: str | None) -> bool:
    """Whether a folder or a hub repository holds a tokenizer.json; looks into the cache before the hub."""
    from transformers.utils.hub import cached_file

    found = cached_file(name, "tokenizer.json", revision=revision, _raise_exceptions_for_missing_entries=False)
    return found is not None


def name_special_tokens(tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig") -> None:
    """Gives a tokenizer.json that stands alone the special tokens that the model's config knows by number."""
    for role in ("bos", "eos", "pad"):
        number = getattr(config, f"{role}_token_id", None)
        if getattr(tokenizer, f"{role}_token") is None and isinstance(number, int) and 0 <= number < len(tokenizer):
            setattr(tokenizer, f"{role}_token", tokenizer.convert_ids_to_tokens(number))


def keeps_korean(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether a Korean sentence survives encoding and decoding, but for spaces and Unicode form."""
    decoded = tokenizer.decode(
        tokenizer(KOREAN_PROBE, add_special_tokens=False, verbose=False)["input_ids"], skip_special_tokens=True
    )
    return _squeeze(decoded) == _squeeze(KOREAN_PROBE)


def _squeeze(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def encode_texts(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], add_special_tokens: bool = False
) -> list[list[int]]:
    """Token ids of each text, with what the tokenizer sets around one if that is asked for.

    Whatever stands in a text is text: none of it becomes a special token, at which a document would end.
    """
    special = _list_special(tokenizer)
    parts = (list(texts[start : start + _TOGETHER]) for start in range(0, len(texts), _TOGETHER))
    encoded = (_encode(tokenizer, part, add_special_tokens) for part in parts)
    return [
        ids if special.isdisjoint(ids) else _spell_special(tokenizer, zip(ids, is_own, strict=False), special)
        for ids, is_own in chain.from_iterable(encoded)
    ]


def _encode(
    tokenizer: "PreTrainedTokenizerBase", texts: list[str], add_special_tokens: bool
) -> Iterable[tuple[list[int], Iterable[int]]]:
    """Token ids of each text, and which of them the tokenizer set around it.

    Beside ids, tokenizers keep a token's text, its place and more: sixty kilobytes an article, until all are read.
    """
    # split_special_tokens: "</s>" in a document is text, not the end of it; verbose=False: a document longer than the
    # context is our business, not worth a warning each
    encoded = tokenizer(
        texts,
        add_special_tokens=add_special_tokens,
        split_special_tokens=True,
        return_special_tokens_mask=add_special_tokens,
        verbose=False,
    )
    found = encoded["input_ids"]
    own = encoded["special_tokens_mask"] if add_special_tokens else map(repeat, [0] * len(found))
    return zip(found, own, strict=True)


def _list_special(tokenizer: Any) -> set[int]:
    """Ids that no text may hold. That of an unknown character it may, as long as it ends nothing."""
    return (set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}) | {tokenizer.eos_token_id}


def _spell_special(tokenizer: Any, ids: Iterable[tuple[int, int]], special: set[int]) -> list[int]:
    """A text's tokens, with special ones that the tokenizer found in it character by character.

    Vocabularies of SentencePiece and of whole words hold "</s>" as a piece like others, and find it in a text.

    Args:
        ids: with whether the tokenizer set it around the text.
    """
    spelt: list[int] = []
    for token, is_own in ids:
        if is_own or token not in special:
            spelt.append(token)
            continue
        characters = tokenizer.convert_ids_to_tokens(token).removeprefix("\u2581")
        known = (tokenizer.convert_tokens_to_ids(character) for character in characters)
        spelt += [one for one in known if one is not None and one not in special]
    return spelt
