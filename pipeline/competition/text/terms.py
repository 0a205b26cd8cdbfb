"""The terms by which Korean texts are compared where no dictionary is at hand: pairs of characters within words."""

from collections.abc import Iterator


def list_terms(text: str) -> Iterator[str]:
    """Every two neighbouring characters of each word, and words of one character: `축제가` and `축제를` share `축제`.

    >>> list(list_terms("새 축제가 열렸다"))
    ['새', '축제', '제가', '열렸', '렸다']
    """
    for word in text.split():
        if len(word) == 1:
            yield word
        else:
            yield from map(str.__add__, word, word[1:])
