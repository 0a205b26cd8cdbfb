"""The encoding of a file, found by its bytes: all of them, so a reader behind this never meets one that is none of it.

UTF-8 and CP949 exclude one another on any but a handful of syllables, so what is valid UTF-8 is UTF-8. UTF-16 has a
byte order mark or, without one, the zero bytes of its spaces, commas and line ends.
"""

import codecs
import io
import re
from collections.abc import Callable
from typing import BinaryIO

from pipeline.errors import InputError

AUTO = "auto"
BOM = "\ufeff"
_HEAD, _CHUNK = 2**16, 2**20
# what Korean text is made of: ASCII and Latin-1, jamo, punctuation and signs, Chinese characters, syllables, wide forms
_KOREAN = re.compile(
    "[\t\n\r -~\xa0-\xff\u1100-\u11ff\u2000-\u27bf\u3000-\u33ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]"
)
_ASCII = re.compile("[\t\n\r -~]")
# of UTF-16 that is no UTF-8 a twentieth of the bytes is zero if a tenth of the characters is ASCII; of pure ASCII, half
_ZEROS, _ZEROS_OF_ASCII = 0.05, 0.4

Opener = Callable[[], BinaryIO]


def find_encoding(open_file: Opener, source: str, declared: str | None) -> str:
    """A name for Python's codecs, under which all of a file can be decoded.

    Args:
        declared: None or `auto` for whichever of UTF-8, UTF-16 and CP949 it is.

    Raises:
        InputError: if the file is empty; with the line of a byte that is not of the encoding, and the one it reads as.
    """
    with open_file() as stream:
        head = stream.read(_HEAD)
    if not head:
        raise InputError(f"{source}: is empty (0 bytes)")
    if declared in (None, AUTO):
        if (found := _guess_encoding(open_file, head)) is None:
            line, byte = _find_bad_byte(open_file, "utf-8") or (1, head[0])
            where = f"line {line}: byte 0x{byte:02x} is not utf-8"
            raise InputError(f"{source}: is neither utf-8 nor utf-16 nor cp949 ({where})")
        return found
    if declared == "utf-16" and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # the codec of that name asks for a mark
        declared = _find_wide(head) or declared
    if bad := _find_bad_byte(open_file, declared):
        line, byte = bad
        hint = _guess_encoding(open_file, head)
        name = "utf-16" if hint and hint.startswith("utf-16") else hint
        # the others may be of another encoding, and one key is for all
        advice = f"; the file reads as {name}: set data.encoding: {AUTO}" if name and name != declared else ""
        raise InputError(f"{source}: line {line}: byte 0x{byte:02x} is not {declared}{advice}")
    return declared


def _guess_encoding(open_file: Opener, head: bytes) -> str | None:
    if head.startswith(codecs.BOM_UTF16_LE):
        kinds = ["utf-16"]
    elif head.startswith(codecs.BOM_UTF16_BE):
        # the codec named utf-16 would write the other order
        kinds = ["utf-16-be"]
    else:
        wide = _find_wide(head)
        kinds = [wide] if wide else ["utf-8", "cp949"]
    for kind in kinds:
        # in CP949 any byte may follow many others: what holds zero bytes is no text in it, but a picture or a program
        if not (kind == "cp949" and b"\0" in head) and _find_bad_byte(open_file, kind) is None:
            return kind
    return None


def _find_wide(head: bytes) -> str | None:
    """UTF-16 without a byte order mark, in its byte order."""
    zeros = head.count(0) / len(head)
    if zeros < _ZEROS or len(head) % 2:
        return None
    is_utf8 = _decode_head(head, "utf-8") is not None
    if is_utf8 and zeros < _ZEROS_OF_ASCII:
        return None
    texts = {kind: _decode_head(head, kind) for kind in ("utf-16-le", "utf-16-be")}
    likely = {kind: text for kind, text in texts.items() if text and "\0" not in text}
    # in the wrong order ASCII becomes Chinese
    best = max(likely, key=lambda kind: len(_ASCII.findall(likely[kind])), default=None)
    return best if best and len(_KOREAN.findall(likely[best])) >= 0.9 * len(likely[best]) else None


def _decode_head(head: bytes, encoding: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


def _find_bad_byte(open_file: Opener, encoding: str) -> tuple[int, int] | None:
    """The line and value of the first byte that is not of an encoding, None if all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, is_last = 1, False
    with open_file() as stream:
        while not is_last:
            chunk = stream.read(_CHUNK)
            is_last = not chunk
            try:
                decoder.decode(chunk, final=is_last)
            except UnicodeDecodeError as error:
                return line + error.object.count(b"\n", 0, error.start), error.object[error.start]
            except UnicodeError:
                # UTF-16 without its mark
                return line, (chunk or b"\0")[0]
            line += chunk.count(b"\n")
    return None


def open_text(open_file: Opener, encoding: str) -> io.TextIOWrapper:
    """A file's text with its own line ends, without a byte order mark. `encoding` as `find_encoding` gives it."""
    stream = open_file()
    # the codec named utf-16 takes its mark away by itself
    mark = BOM.encode(encoding) if encoding.startswith("utf") and encoding != "utf-16" else b""
    if not mark or stream.read(len(mark)) != mark:
        stream.seek(0)
    return io.TextIOWrapper(stream, encoding, newline="")


class Utf8Stream:
    """A file as UTF-8 without a byte order mark, whatever its encoding is, for parsers that read nothing else."""

    def __init__(self, open_file: Opener, encoding: str):
        self._text = open_text(open_file, encoding)

    def read(self, size: int = -1) -> bytes:
        """So many characters, as bytes."""
        return self._text.read(size).encode()

    def __enter__(self) -> "Utf8Stream":
        return self

    def __exit__(self, *raised: object) -> None:
        self._text.close()
