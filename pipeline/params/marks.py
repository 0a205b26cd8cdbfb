"""The kind of value that `model.special_tokens` has."""

from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import PlainValidator


def _are_marks(tokens: Any) -> Any:
    if tokens == "auto":
        return tokens
    # one message; pydantic would give one for each member of the union
    if not (isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)):
        raise ValueError("must be auto or a list of marks")
    if len(set(tokens)) < len(tokens):
        raise ValueError("names a mark twice")
    for token in tokens:
        # documents are so composed, and summaries so spaced
        if not token or token != normalize("NFC", " ".join(token.split())):
            raise ValueError(f"{token!r} is not a mark in NFC without white space around it")
    return tokens


SpecialTokens = Annotated[Literal["auto"] | list[str], PlainValidator(_are_marks)]
