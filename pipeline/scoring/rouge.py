"""ROUGE-1/2/L F1 (Lin 2004) of Korean text through korouge-score, on the competition's tokenizer.

Stock ROUGE drops Hangul altogether, and ROUGE on whitespace is far from ROUGE on morphemes, so every score carries the
name and version of its tokenizer.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("rouge1", "rouge2", "rougeL")
# a dictionary decides morphemes as much as the program that reads it
_PACKAGES = {"mecab": ("python-mecab-ko", "python-mecab-ko-dic"), "whitespace": ("korouge-score",)}


class Tokenizer(Protocol):
    """What korouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]: ...


class _Mecab:
    """Morphemes of mecab-ko, the tokens of the AI CONNECT board."""

    def __init__(self) -> None:
        from mecab import MeCab

        # candidates repeat each other and references return for every configuration
        self.tokenize = lru_cache(maxsize=200_000)(MeCab().morphs)


def build_tokenizer(name: str) -> Tokenizer:
    """`mecab`, or `whitespace`: korouge-score's own, which lowercases and splits at spaces."""
    if name == "mecab":
        return _Mecab()
    if name == "whitespace":
        from korouge_score.tokenizers import DefaultTokenizer

        return DefaultTokenizer(use_stemmer=False)
    raise ValueError(f"unknown tokenizer {name!r}; known: {', '.join(_PACKAGES)}")


def describe_tokenizer(name: str) -> str:
    """Names and versions, as scores carry them: `mecab (python-mecab-ko 1.3.7, python-mecab-ko-dic 2.1.1.post2)`."""
    return f"{name} ({', '.join(f'{package} {version(package)}' for package in _PACKAGES[name])})"


def normalise_summary(text: str) -> str:
    """NFC, stripped, inner whitespace collapsed: a trailing space alone is a phantom token to korouge-score."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def compute_rouge(predictions: Sequence[str], references: Sequence[Sequence[str]], tokenizer: str) -> "pd.DataFrame":
    """ROUGE F1 of each prediction against the best of its references, metric by metric.

    Args:
        predictions: one text an example; an empty one scores 0, also against an empty reference.
        references: at least one text an example.

    Returns:
        A row a prediction, columns `rouge1`, `rouge2`, `rougeL`, each from 0 to 1.

    Raises:
        ValueError: if the lengths differ or an example has no reference.
    """
    import pandas as pd
    from korouge_score.rouge_scorer import RougeScorer

    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, {len(references)} references")
    if any(len(many) == 0 for many in references):
        raise ValueError("an example has no reference")
    scorer = RougeScorer(list(METRICS), tokenizer=build_tokenizer(tokenizer))

    @cache
    def score(prediction: str, reference: tuple[str, ...]) -> tuple[float, ...]:
        if not prediction:
            return (0.0,) * len(METRICS)
        scores = scorer.score_multi(reference, prediction)
        return tuple(scores[metric].fmeasure for metric in METRICS)

    rows = [
        score(normalise_summary(prediction), tuple(normalise_summary(text) for text in many))
        for prediction, many in track(
            zip(predictions, references, strict=True), f"ROUGE on {tokenizer}", len(references)
        )
    ]
    return pd.DataFrame(rows, columns=list(METRICS), dtype=float)
