"""Special tokens: marks that a tokenizer is to keep whole, and the rows of the model that they need.

They are added as ordinary tokens, not as what transformers calls special: those are dropped from a decoded summary, and
with `split_special_tokens`, by which a `</s>` in a document stays text, they would be cut to pieces.
"""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.tokenizer import KOREAN_PROBE, encode_texts
from pipeline.tables import load_json, save_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SPECIAL_TOKENS_FILE = "yoyak_special_tokens.json"
# the name under which a model carries the numbers of the rows that are to be trained
NEW_ROWS = "new_rows"


def load_special_tokens(adapter: Path) -> tuple[str, ...]:
    """The special tokens that an adapter was trained with."""
    path = adapter / SPECIAL_TOKENS_FILE
    tokens = load_json(path) if path.is_file() else []
    if not isinstance(tokens, list) or not all(isinstance(token, str) and token for token in tokens):
        raise InputError(f"{path}: is no list of tokens; run the train stage again")
    return tuple(tokens)


def save_special_tokens(tokens: Sequence[str], adapter: Path) -> None:
    """Writes what `load_special_tokens` reads; nothing if there are none, so that the folder stays as it was."""
    if tokens:
        save_json(list(tokens), adapter / SPECIAL_TOKENS_FILE)


def add_special_tokens(tokenizer: "PreTrainedTokenizerBase", tokens: Sequence[str]) -> "PreTrainedTokenizerBase":
    """A copy of a tokenizer that keeps the tokens whole and gives them back as they stood; itself for none.

    Raises:
        InputError: if a token is one that the tokenizer uses itself, or the tokenizer would not keep it.
    """
    if not tokens:
        return tokenizer
    if own := [token for token in tokens if token in tokenizer.all_special_tokens]:
        raise InputError(f"model.special_tokens: {own[0]!r}: the tokenizer uses it itself; leave it out")
    exact = [token for token in tokens if _gives_back(tokenizer, token)]
    for prepare in (copy.deepcopy, _join_behind_tokens):
        grown = prepare(tokenizer)
        _add(grown, tokens)
        if cut := [token for token in tokens if len(_encode(grown, token)) != 1]:
            raise InputError(f"model.special_tokens: {cut[0]!r}: this model's tokenizer cannot keep added tokens whole")
        # BERT's vocabularies give no text back as it was, with the tokens or without
        if _reads_alike(grown, tokenizer) and all(_gives_back(grown, token) for token in exact):
            return grown
    raise InputError("model.special_tokens: this model's tokenizer puts a space behind every added token; leave it []")


def _add(tokenizer: "PreTrainedTokenizerBase", tokens: Sequence[str]) -> None:
    from transformers import AddedToken

    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in tokens])


def _encode(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    return encode_texts(tokenizer, [text])[0]


def _reads_alike(grown: "PreTrainedTokenizerBase", tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether text without a mark is read as ever."""
    text = f"{KOREAN_PROBE} {KOREAN_PROBE}\n{KOREAN_PROBE}"
    return _encode(grown, text) == _encode(tokenizer, text)


def _gives_back(tokenizer: "PreTrainedTokenizerBase", token: str) -> bool:
    """Whether a sentence around a token comes back as it was."""
    text = f"{token}은 집에 갔고, {token}에게 나{token} 왔다."
    return tokenizer.decode(_encode(tokenizer, text)) == text


def _join_behind_tokens(tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    """A copy in which a SentencePiece vocabulary sets its space in front of a text, and not of each part of it.

    Added tokens part a text; `#Person1#은` would come back as `#Person1# 은`. T5 also drops the spaces between words
    before it sets its own, which then must go too.
    """
    from tokenizers import Tokenizer

    grown = copy.deepcopy(tokenizer)
    backend = getattr(grown, "_tokenizer", None)
    if isinstance(backend, Tokenizer):
        content = json.loads(backend.to_str())
        content["pre_tokenizer"] = _begin_once(content["pre_tokenizer"])
        content["decoder"] = _begin_once(content["decoder"])
        setattr(grown, "_tokenizer", Tokenizer.from_str(json.dumps(content)))  # noqa: B010
    return grown


def _begin_once(part: Any) -> Any:
    """A pre-tokenizer or decoder in tokenizers' JSON, its Metaspace set to begin a text and nothing else."""
    if not isinstance(part, dict):
        return part
    for name in ("pretokenizers", "decoders"):
        if name in part:
            kinds = {inner["type"] for inner in part[name]}
            kept = [p for p in part[name] if not ("Metaspace" in kinds and p["type"] == "WhitespaceSplit")]
            return {**part, name: [_begin_once(inner) for inner in kept]}
    return {**part, "prepend_scheme": "first"} if part.get("prepend_scheme") == "always" else part


def grow_embeddings(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    grown: "PreTrainedTokenizerBase",
    tokens: Sequence[str],
) -> None:
    """Gives a model the rows of added tokens, in its embeddings and its head, and marks them as to be trained.

    A new row begins at the mean of the rows of the pieces that it replaces; the mean of all rows (Hewitt 2021,
    "Initializing new word embeddings for pretrained language models") would forget what the pieces say.

    Args:
        tokenizer: the model's own, which cuts the tokens to pieces.
        grown: as `add_special_tokens` made it.
    """
    import torch

    rows = grown.convert_tokens_to_ids(list(tokens))
    embeddings = model.get_input_embeddings()
    if max(rows) >= embeddings.num_embeddings:
        # some models are padded with spare rows, and need none
        model.resize_token_embeddings(max(rows) + 1, mean_resizing=False)
    known = len(tokenizer)
    pieces = {row: _encode(tokenizer, token) for row, token in zip(rows, tokens, strict=True) if row >= known}
    with torch.no_grad():
        for weights in _list_by_row(model):
            for row, replaced in pieces.items():
                weights[row] = weights[replaced].float().mean(0).to(weights.dtype)
    setattr(model, NEW_ROWS, rows)


def _list_by_row(model: "PreTrainedModel") -> list[Any]:
    """What a model keeps for each token: embeddings, and of a head that is not tied to them weights and bias."""
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    kept = embeddings.weight, *(getattr(head, name, None) for name in ("weight", "bias"))
    return list({id(tensor): tensor for tensor in kept if tensor is not None}.values())


def describe_savings(
    tokenizer: "PreTrainedTokenizerBase", grown: "PreTrainedTokenizerBase", tokens: Sequence[str], texts: Sequence[str]
) -> str:
    """A line on how many tokens a document has less of, in the mean of at least one text."""
    before, after = (sum(len(_encode(reader, text)) for text in texts) / len(texts) for reader in (tokenizer, grown))
    named = ", ".join(tokens[:2]) + (", …" if len(tokens) > 2 else "")
    return (
        f"special tokens: {len(tokens)} ({named}) save {before - after:.0f} of {before:.0f} tokens a document "
        f"({1 - after / before:.0%})"
    )
