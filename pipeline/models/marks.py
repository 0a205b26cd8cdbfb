"""Marks that stand in documents as words do and that a tokenizer cuts to pieces: `#Person1#`, `&name1&`, `P01:`."""

import re
from collections import Counter
from collections.abc import Iterable

AUTO = "auto"
# speakers and masked names as Korean data sets write them: Upstage's `#Person1#` and `#PhoneNumber#`, the NIKL's
# `&name1&` and `&tel-num&`, `{name}`, `<name>`, `[이름1]`, and the name of a speaker at the beginning of a turn, `P01:`
PATTERN = re.compile(
    r"#[A-Za-z가-힣][\w-]*#|&[A-Za-z가-힣][\w-]*&|\{[A-Za-z가-힣][\w-]*\}|<[A-Za-z가-힣][\w-]*>"
    r"|\[[A-Za-z가-힣]+[\d_-]+\]|^[A-Za-z가-힣]+\d+:(?=\s)",
    re.MULTILINE,
)
# what language models call their own marks: in a document such a thing is text
CONTROL = re.compile(r"</?(?:s|pad|unk|mask|bos|eos|cls|sep|usr|sys|extra_id_\d+)>", re.IGNORECASE)
LONGEST = 24
# a row that occurs less often learns nothing worth having
DOCUMENTS = 10
MOST = 64


def find_special_tokens(wanted: str | list[str], texts: Iterable[str]) -> tuple[str, ...]:
    """What `model.special_tokens` asks for: the marks that it lists, or those that are found in the training documents.

    Args:
        wanted: of params.yaml: `auto`, or the marks themselves.
        texts: the training documents; equal ones in any order give equal marks.

    Returns:
        Of `auto`: at most `MOST` marks, each in at least `DOCUMENTS` documents, the most frequent first.
    """
    if wanted != AUTO:
        return tuple(wanted)
    counts = Counter(mark for text in texts for mark in set(PATTERN.findall(text)))
    found = [mark for mark, count in counts.items() if count >= DOCUMENTS and _is_mark(mark)]
    return tuple(sorted(found, key=lambda mark: (-counts[mark], mark))[:MOST])


def _is_mark(text: str) -> bool:
    return len(text) <= LONGEST and not CONTROL.fullmatch(text)
