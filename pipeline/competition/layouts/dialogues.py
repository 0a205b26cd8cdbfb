"""Dialogues as text: a turn a line, behind a mark of its speaker.

The marks are those of the dialogue competitions, `#Person1#`: what a corpus calls its speakers differs from dialogue to
dialogue, and a mark that means the same everywhere can be learnt.
"""

from collections.abc import Iterable


def render_turns(turns: Iterable[tuple[str, str]]) -> str:
    """Turns (speaker, utterance) as lines; speakers are numbered in the order in which they begin to speak.

    >>> render_turns([("SD2100504", "밥 먹었어?"), ("SD2100503", "아니"), ("SD2100504", "가자")])
    '#Person1#: 밥 먹었어?\\n#Person2#: 아니\\n#Person1#: 가자'
    """
    numbers: dict[str, int] = {}
    lines = []
    for speaker, utterance in turns:
        number = numbers.setdefault(speaker, len(numbers) + 1)
        if said := " ".join(utterance.split()):
            lines.append(f"#Person{number}#: {said}")
    return "\n".join(lines)
