"""What the examples browser holds: documents, references and every row's text, each text stored once.

The page has no tokenizer, so each text carries where the board's tokenizer cuts it, and n-grams that are marked there
are those that ROUGE counts.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.scoring.rouge.tokenizers import build_tokenizer, normalise_summary, tokenize_many

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ReportParams, ScoreParams

# white space as the page's JavaScript has it, which skips it between tokens
_SPACE = re.compile("[ \t\n\v\f\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# beside its text: the list's brackets, its scores and its numbers, in bytes a row
_BESIDE = 14


def build_browser(
    scores: "pd.DataFrame", examples: "pd.DataFrame", names: Sequence[str], chosen: str, params: "ReportParams"
) -> dict[str, Any]:
    """Texts by number, documents with the numbers of theirs, and the rows; as the page's script reads it.

    Args:
        scores: `name`, `id`, `text`, `score`.
        examples: `id`, `text`, `summaries`.
        names: of the rows, in the order of the leaderboard.
        chosen: the row whose worst documents are kept before others where not all have room.
        params: how many documents, and how many megabytes.
    """
    numbers = scores.pivot(index="id", columns="name", values="score").loc[examples["id"], list(names)]
    places = rank_examples(list(numbers[chosen]))[: params.examples]
    # of very many documents their texts beside each other take a gigabyte
    shown = scores[scores["id"].isin(set(examples["id"].iloc[places]))]
    texts = shown.pivot(index="id", columns="name", values="text").reindex(columns=list(names))
    pool: dict[str, int] = {}
    documents = []
    room = params.megabytes * 1e6
    for place in places:
        example = examples.iloc[place]
        # a row may lack the document
        own = [
            example["text"],
            *example["summaries"],
            *(None if text != text else text for text in texts.loc[example["id"]]),
        ]
        room -= sum(map(_measure, {text for text in own if text and text not in pool})) + _BESIDE * len(own)
        if room < 0 and documents:
            break
        number = [None if text is None else pool.setdefault(text, len(pool)) for text in own]
        last = 1 + len(example["summaries"])
        values = [None if value != value else round(float(value), 4) for value in numbers.iloc[place]]
        documents.append(
            {"place": place, "id": example["id"], "text": number[0], "references": number[1:last]}
            | {"texts": number[last:], "scores": values}
        )
    documents.sort(key=lambda document: document["place"])
    return {"rows": list(names), "documents": documents, "texts": list(pool), "of": len(examples)}


def rank_examples(scores: Sequence[float]) -> list[int]:
    """Places, those to keep first: alternately the worst left, and one of those spread evenly over all that are left.

    >>> rank_examples([0.9, 0.1, 0.5, 0.7])
    [1, 0, 2, 3]
    """
    worst = sorted(range(len(scores)), key=lambda place: (scores[place], place))
    spread = sorted(range(len(worst)), key=lambda rank: (_reverse_bits(rank), rank))
    mixed = [place for pair in zip(worst, (worst[-1 - rank] for rank in spread), strict=True) for place in pair]
    return list(dict.fromkeys(mixed))


def _reverse_bits(number: int) -> int:
    """Of 20 bits: in its order, numbers are spread evenly, however many of them one takes."""
    return int(f"{number:020b}"[::-1], 2)


def _measure(text: str) -> int:
    """Bytes that a text takes on the page, with its cuts: about one character in two ends a token."""
    return len(json.dumps(text, ensure_ascii=False).encode()) + len(text) // 2 + 4


def add_cuts(browser: dict[str, Any], params: "ScoreParams") -> dict[str, Any]:
    """The browser with `unit`, what n-grams are made of, and for morphemes `cuts`: each text's, or None.

    Args:
        browser: of `build_browser`.
    """
    if params.tokenizer != "mecab":
        return browser | {"unit": "character" if params.tokenizer == "character" else "word", "cuts": []}
    texts = browser["texts"]
    tokens = tokenize_many(build_tokenizer(params.tokenizer), [normalise_summary(text) for text in texts])
    return browser | {"unit": "morpheme", "cuts": [cut(*pair) for pair in zip(texts, tokens, strict=True)]}


def cut(text: str, tokens: Iterable[str]) -> str | None:
    """The length of each token in UTF-16 units, a digit each; None where tokens are not the text's own characters.

    >>> cut("축제가 열렸다.", ["축제", "가", "열렸", "다", "."])
    '21211'
    """
    place, lengths = 0, []
    for token in tokens:
        place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
        length = len(token.encode("utf-16-le")) // 2
        if not text.startswith(token, place) or length >= len(_DIGITS):
            return None
        place += len(token)
        lengths.append(_DIGITS[length])
    return "".join(lengths) if not text[place:].strip() else None
