"""Files as accidents and people damage them: valid ones changed on the way, and what a person would plant in them."""

import faulthandler
import gc
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError

SECONDS, BYTES, LARGEST = 10, 2**30, 10**6
# after which one file ends the whole run, telling where it hung
HUNG = 60
# planted in the midst of a valid file
PLANTED = [
    *(
        b"",
        b"\0",
        b"\xff",
        b"\xfe\xff",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n\n",
        b'"',
        b'""',
        b"'",
        b"\\",
        b",\t;|",
    ),
    # half a pair of surrogates, as bytes and as JSON writes it
    *("\ud800".encode("utf-8", "surrogatepass"), b"\\ud800", b"\\udc00\\ud800", b"\\u0000"),
    # from right to left, without width, a line end that only some know, an accent to be composed
    *(
        s.encode()
        for s in ("\u202e\u05d0\u061c", "\u200b\u200d\ufeff\u2060", "\u2028\u0085\x1c", "e\u0301\u1100\u1161")
    ),
    *(s.encode() for s in ("</s>", "<|endoftext|>", "{text}", "{document}", "[SEP]", "=1+1", "@SUM(1)", "<script>")),
    *(
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"1" * 5000,
        b"0.1",
        b"[]",
        b"{}",
        b"[[1]]",
        b'{"a": 1}',
    ),
    *(b'"id"', b'"text"', b"id,text,summary\n", b"../../etc/passwd", b"~", b"2026-11-25", b": ", b"- ", b"? ", b"# "),
    *(
        b"&a [*a]",
        b"&a {x: *a}",
        b"<<: *a",
        b"!!python/object/apply:os.system [id]",
        b"!!binary 4",
        b"%YAML 1.1\n---\n",
    ),
    *(
        b"&a {x: &b {y: *a}}",
        b"!!timestamp 9999-99-99",
        b"!!int x",
        b"!!set {a, b}",
        b"0x",
        b".inf",
        b"\n...\n",
        b"1:1:1",
    ),
]
# a hundred lines that stand for 9**99 values
BOMB = b"a0: &a0 {x: 1}\n" + b"".join(
    b"a%d: &a%d {" % (i + 1, i + 1) + b", ".join(b"k%d: *a%d" % (j, i) for j in range(9)) + b"}\n" for i in range(99)
)
# too much of something
LONG = [
    BOMB,
    *(
        b"[" * 100_000,
        b"[" * 999_999,
        b"{" * 3000,
        b'{"a":' * 20_000,
        b"," * 100_000,
        b"a" * 500_000,
        b'"' * 99_999,
        b"\n" * 200_000,
    ),
    *(b"a,b\n" * 100_000, "\u1100".encode() * 100_000, b" " * 500_000, b"<" * 100_000, b"&#" * 100_000, b"- " * 5000),
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949", "latin-1", "utf-32")
CHANGES = ("flip", "set", "cut", "end", "twice", "plant", "splice", "encode", "digits", "many")
_changes = st.lists(
    st.tuples(st.sampled_from(CHANGES), st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1)), min_size=1, max_size=6
)


def change(content: bytes, kind: str, where: int, what: int, others: Sequence[bytes]) -> bytes:
    """A file with one thing changed in it: at `where` of 65,536 parts, by what a number stands for."""
    start = len(content) * where // 2**16
    end = min(start + 1 + what % 64, len(content))
    head, part, tail = content[:start], content[start:end], content[end:]
    if kind == "flip":
        return head + bytes([byte ^ (1 << what % 8) for byte in part[:1]]) + part[1:] + tail
    if kind == "set":
        return head + bytes([what % 256]) + part[1:] + tail
    if kind == "cut":
        return head + tail
    if kind == "end":
        return head
    if kind == "twice":
        return head + part * (2 + what % 7) + tail
    if kind == "plant":
        return head + PLANTED[what % len(PLANTED)] + part + tail
    if kind == "splice":
        other = others[what % len(others)]
        return head + other[len(other) * (what // 7 % 1000) // 1000 :]
    if kind == "digits":
        return head + bytes(57 if chr(byte).isdigit() else byte for byte in part) + tail
    if kind == "many":
        return head + LONG[what % len(LONG)] + part + tail if what % 16 == 0 else content * (1 + what % 5)
    read, written = ENCODINGS[what % len(ENCODINGS)], ENCODINGS[what // 8 % len(ENCODINGS)]
    return content.decode(read, "replace").encode(written, "surrogatepass" if "utf" in written else "replace")


def hostile(*valid: bytes) -> st.SearchStrategy[bytes]:
    """Valid files with changes, and a few of bytes alone; under a megabyte. `LONG` alone is for a loop: it is not many."""

    def build(content: bytes, changes: list[tuple[str, int, int]]) -> bytes:
        for kind, where, what in changes:
            content = change(content, kind, where, what, valid)[:LARGEST]
        return content

    changed = st.builds(build, st.sampled_from(valid), _changes)
    return st.one_of(changed, changed, changed, st.binary(max_size=200))


def count_examples() -> int:
    """As many as `$FUZZ` says; 0 in everyday tests."""
    return int(os.environ.get("FUZZ", "0"))


def withstand_drawn(read: Callable[..., Any], *strategies: st.SearchStrategy[Any]) -> None:
    """Whatever is drawn is withstood, and as many are drawn as were asked for."""
    drawn = 0

    @get_settings()
    @given(st.tuples(*strategies))
    def withstands(values: tuple[Any, ...]) -> None:
        nonlocal drawn
        drawn += 1
        with withstand():
            read(*values)

    withstands()
    assert drawn >= max(count_examples(), 1), f"only {drawn} were drawn"


def get_settings() -> settings:
    """Three examples, always the same; or as many as `$FUZZ` says, other ones each time."""
    count = count_examples()
    lenient = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    return settings(max_examples=count or 3, derandomize=not count, **lenient)


@contextmanager
def withstand() -> Iterator[None]:
    """Whatever is done with a hostile file ends, soon, in little memory, and well or in InputError; not to be nested."""
    before, start = _reset_peak(), time.perf_counter()
    if count_examples():
        faulthandler.dump_traceback_later(HUNG, exit=True)
    try:
        with suppress(InputError):
            yield
    finally:
        if count_examples():
            faulthandler.cancel_dump_traceback_later()
    seconds, held = time.perf_counter() - start, _get_peak() - before
    assert seconds < SECONDS, f"took {seconds:.0f} s"
    assert held < BYTES, f"took {held / 2**20:.0f} MB"


def _reset_peak() -> int:
    """Resident bytes now, from which the peak is counted again, where the kernel can do that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _get_peak()


def _get_peak() -> int:
    with suppress(OSError), open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
