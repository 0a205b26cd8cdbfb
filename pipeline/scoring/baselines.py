"""Summaries that need no model: what every configuration has to beat."""

import re

# after a Hangul sentence's full stop, a question or an exclamation mark, or at a line's end; "1. 사건" and "가. 사건"
# are no boundaries: court decisions number their paragraphs so
_BOUNDARY = re.compile(
    r"(?<!^[가나다라마바사아자차카타파하]\.)(?<!\s[가나다라마바사아자차카타파하]\.)(?<=[가-힣\"'”’)\]][.!?])\s+|(?<=[!?。])\s+|\s*\n+\s*"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a Korean text.

    >>> split_sentences("1. 비가 왔다. 길이 막혔다!\\n끝")
    ['1. 비가 왔다.', '길이 막혔다!', '끝']
    """
    return [sentence for sentence in _BOUNDARY.split(text.strip()) if sentence]


def build_baseline(name: str, text: str) -> str:
    """The summary that a baseline gives to a document: `lead-N` its first N sentences, `tail-N` its last N."""
    side, count = name.split("-")
    sentences = split_sentences(text)
    return " ".join(sentences[: int(count)] if side == "lead" else sentences[-int(count) :])
