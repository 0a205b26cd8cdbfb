"""JSON that would kill or stall its parser, refused before it gets there.

ijson has no limit of its own: at each level it writes down the path to it, so that a megabyte of brackets takes hours
and all memory, and a whole number of more digits than Python reads ends the process.
"""

import re
from itertools import accumulate
from typing import Protocol

from pipeline.errors import InputError

# levels of lists and objects, of which the deepest layout has eight; digits, as Python has it
DEEPEST, LONGEST = 1000, 4300
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DIGITS = b"0123456789"
_TOO_LONG = re.compile(rb"[0-9]{%d}" % (LONGEST + 1))


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Limited:
    """The bytes of a JSON file in UTF-8, as they are. Raises InputError with its name where they go too far."""

    def __init__(self, stream: _Bytes, source: str):
        self._stream, self._source = stream, source
        self._depth, self._in_text, self._escape, self._number = 0, False, b"", b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content = self._stream.read(size)
        found = self._escape + content
        # a backslash that stands alone belongs to what comes next
        self._escape = b"\\" if (len(found) - len(found.rstrip(b"\\"))) % 2 else b""
        parts = found.removesuffix(self._escape).replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = self._number + b"".join(parts[self._in_text :: 2])
        self._in_text ^= len(parts) % 2 == 0
        self._number = outside[len(outside.rstrip(_DIGITS)) :]
        if _TOO_LONG.search(outside):
            raise InputError(f"{self._source}: holds a number of more than {LONGEST:,} digits")
        self._check_depth(outside.translate(None, _ALL_BUT_BRACKETS))
        return content

    def _check_depth(self, brackets: bytes) -> None:
        steps = (1 if bracket in b"[{" else -1 for bracket in brackets)
        # as long as the file could not get too deep, even if nothing were closed, there is nothing to count
        if self._depth + len(brackets) > DEEPEST and max(accumulate(steps, initial=self._depth)) > DEEPEST:
            raise InputError(f"{self._source}: is nested more than {DEEPEST:,} levels deep")
        self._depth += 2 * (brackets.count(b"[") + brackets.count(b"{")) - len(brackets)
