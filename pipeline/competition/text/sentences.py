"""The sentences of a Korean text."""

import re
from itertools import pairwise

# after a Hangul sentence's full stop, a question or an exclamation mark, or at a line's end; "1. 사건" and "가. 사건"
# are no boundaries: court decisions number their paragraphs so; white space is looked at from its beginning alone, or
# much of it takes the square of its length
_BOUNDARY = re.compile(
    r"(?<!^[가나다라마바사아자차카타파하]\.)(?<!\s[가나다라마바사아자차카타파하]\.)(?<=[가-힣\"'”’)\]][.!?])\s+|(?<=[!?。])\s+|(?<!\s)\s*\n\s*"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a Korean text.

    >>> split_sentences("1. 비가 왔다. 길이 막혔다!\\n끝")
    ['1. 비가 왔다.', '길이 막혔다!', '끝']
    """
    return [piece.rstrip() for piece in split_pieces(text)]


def split_pieces(text: str) -> list[str]:
    """Each sentence with the white space behind it: joined, they are the stripped text again.

    >>> split_pieces(" 비가 왔다.  길이 막혔다!\\n끝 ")
    ['비가 왔다.  ', '길이 막혔다!\\n', '끝']
    """
    text = text.strip()
    ends = [boundary.end() for boundary in _BOUNDARY.finditer(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)]) if start < end]
