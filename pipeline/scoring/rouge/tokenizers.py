"""Tokenizers of Korean ROUGE, and the text they are given.

Stock ROUGE drops Hangul altogether, and ROUGE on whitespace is far from ROUGE on morphemes, so every score carries the
name and version of its tokenizer.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pipeline.scoring.rouge.morphemes import Kiwi, Mecab

# what a tokenizer's tokens depend on: the package, and for morphemes the dictionary or model too
PACKAGES = {
    "mecab": ("python-mecab-ko", "python-mecab-ko-dic"),
    "whitespace": ("korouge-score",),
    "character": (),
    "kiwi": ("kiwipiepy", "kiwipiepy-model"),
}


@cache
def build_tokenizer(name: str) -> Callable[[str], list[str]]:
    """A function from a text to its tokens; one a name and process, for dictionaries take time to load.

    Args:
        name: `mecab` (morphemes of mecab-ko, the AI CONNECT board's), `kiwi` (morphemes of Kiwi), `whitespace`
            (korouge-score's own: lowercased, split at white space) or `character` (every character but white space).

    Raises:
        InputError: if the tokenizer's package is an extra that is not installed.
        ValueError: for a name that is not known.
    """
    if name == "mecab":
        return Mecab()
    if name == "kiwi":
        return Kiwi()
    if name == "whitespace":
        from korouge_score.tokenizers import DefaultTokenizer

        return DefaultTokenizer(use_stemmer=False).tokenize
    if name == "character":
        return lambda text: [character for character in text if not character.isspace()]
    raise ValueError(f"unknown tokenizer {name!r}; known: {', '.join(PACKAGES)}")


def build_reference_tokenizer(name: str) -> Callable[[str], list[str]]:
    """As `build_tokenizer`, but mecab is python-mecab-ko's own `morphs`, which an organiser would call."""
    if name != "mecab":
        return build_tokenizer(name)
    from mecab import MeCab

    return MeCab().morphs


def tokenize_many(tokenize: Callable[[str], list[str]], texts: Sequence[str]) -> Iterable[list[str]]:
    """The tokens of each text; tokenizers that can do so share many texts between cores."""
    many = getattr(tokenize, "tokenize_many", None)
    return many(texts) if many else map(tokenize, texts)


def describe_tokenizer(name: str) -> str:
    """Name and versions, as scores carry them: `mecab (python-mecab-ko 1.3.7, python-mecab-ko-dic 2.1.1.post2)`."""
    try:
        parts = [f"{package} {version(package)}" for package in PACKAGES[name]]
    except PackageNotFoundError:
        parts = ["not installed"]
    return f"{name} ({', '.join(parts)})" if parts else name


def normalise_summary(text: str) -> str:
    """NFC, stripped, inner whitespace collapsed, on one line: what ROUGE compares.

    A closing newline alone is a phantom token to korouge-score, a full-width space a symbol to mecab, which stops at a
    NUL, and decomposed Hangul shares no token with composed Hangul.
    """
    return " ".join(unicodedata.normalize("NFC", text).replace("\0", " ").split())
