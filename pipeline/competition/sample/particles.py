"""Korean particles that agree with the word before them, and the template syntax `{slot:은}` built on them."""

import re
import string
from collections.abc import Mapping

# (form after a final consonant, form after a vowel)
PAIRS = (
    ("은", "는"),
    ("이", "가"),
    ("을", "를"),
    ("과", "와"),
    ("으로", "로"),
    ("이라고", "라고"),
    ("이나", "나"),
    ("이며", "며"),
    ("이고", "고"),
    ("이다", "다"),
    ("이었다", "였다"),
)
_PAIR_OF = {form: pair for pair in PAIRS for form in pair}
# How symbols end when read aloud; the Hangul syllable stands for the reading's last one.
_UNIT_READINGS = {"%p": "트", "%": "트", "km": "터", "cm": "터", "mm": "터", "m": "터", "kg": "램", "g": "램"}
_DIGIT_READINGS = dict(zip("0123456789", "영일이삼사오육칠팔구", strict=True))
_LETTER_READINGS = {"l": "엘", "m": "엠", "n": "엔", "r": "알"}  # every other letter's name ends in a vowel
_CLOSERS = "’”'\"」』》〉"
_RIEUL = 8  # index of the final consonant ㄹ within a Hangul syllable block


def final_consonant(word: str) -> int:
    """Index of the final consonant with which `word` ends when read in Korean: 0 none, 8 ㄹ, 1-27 in Unicode order."""
    # A bracketed remark is skipped in reading, and closing quotation marks are silent.
    spoken = re.sub(r"\([^)]*\)$", "", word.rstrip(_CLOSERS)).rstrip(_CLOSERS)
    last = _last_syllable(spoken)
    return (ord(last) - ord("가")) % 28 if "가" <= last <= "힣" else 0


def _last_syllable(spoken: str) -> str:
    """The Hangul syllable with which the reading of `spoken` ends ("" for an empty word)."""
    unit = re.search(r"\d(%p|%|km|cm|mm|kg|m|g)$", spoken)
    if unit:
        return _UNIT_READINGS[unit[1]]
    last = spoken[-1:]
    if last in _DIGIT_READINGS:
        return _DIGIT_READINGS[last]  # 10, 100, ... end in 십, 백, 천, 만, 억: a consonant as in 영
    if last.isascii() and last.isalpha():
        return _LETTER_READINGS.get(last.lower(), "이")
    return last


def particle(word: str, form: str) -> str:
    """The form of a particle (given in either of its two forms) that agrees with `word`: particle("사과", "은") is "는"."""
    closed, opened = _PAIR_OF[form]
    final = final_consonant(word)
    if closed == "으로":
        return opened if final in (0, _RIEUL) else closed
    return closed if final else opened


class _ParticleFormatter(string.Formatter):
    def format_field(self, value: str, format_spec: str) -> str:
        return value + particle(value, format_spec) if format_spec else value


_FORMATTER = _ParticleFormatter()


def fill(template: str, facts: Mapping[str, str]) -> str:
    """`template` with each `{slot}` replaced by its fact, and each `{slot:은}` by the fact and the agreeing particle."""
    return _FORMATTER.vformat(template, (), facts)


def slots_of(template: str) -> list[str]:
    """Names of the slots of `template`, in order of appearance."""
    return [name for _, name, _, _ in _FORMATTER.parse(template) if name]
