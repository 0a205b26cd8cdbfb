"""The encoding of a file, by its bytes."""

import io
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition import encodings
from pipeline.competition.encodings import Utf8Stream, find_encoding, open_text
from pipeline.errors import InputError

# three syllables and more: fewer can be both CP949 and other letters in UTF-8
KOREAN = st.text(alphabet=[chr(code) for code in range(0xAC00, 0xD7A4)], min_size=3, max_size=30)
WRITTEN = {
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "cp949": "cp949",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
}


def find(content, declared="auto"):
    return find_encoding(partial(io.BytesIO, content), "t.csv", declared)


def read(content, encoding):
    with open_text(partial(io.BytesIO, content), encoding) as stream:
        text = stream.read()
    with Utf8Stream(partial(io.BytesIO, content), encoding) as stream:
        assert stream.read().decode() == text
    return text


@settings(max_examples=60, deadline=None)
@given(st.lists(KOREAN, min_size=1, max_size=20), st.sampled_from(list(WRITTEN)))
def test_korean_text_is_read_back_whatever_its_encoding(texts, written):
    text = "id,text\n" + "".join(f"{number},{own} 이다.\n" for number, own in enumerate(texts))
    content = text.encode(written)
    assert find(content) == WRITTEN[written]
    assert read(content, find(content)) == text


def test_a_byte_order_mark_of_the_other_order_is_no_text():
    content = b"\xfe\xff" + "id,text\n1,가\n".encode("utf-16-be")
    assert find(content) == "utf-16-be"
    assert read(content, "utf-16-be") == "id,text\n1,가\n"


def test_ascii_alone_is_found_in_wide_characters_too():
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        assert find("id,summary\nx1,\nx2,\n".encode(encoding)) == encoding


def test_utf8_with_a_zero_byte_stays_utf8():
    assert find("id,text\na,본\0문\n".encode()) == "utf-8"
    assert find(b"id,text\na,b\0c\n") == "utf-8"


def test_characters_cut_by_the_pieces_that_are_looked_at_are_whole(monkeypatch):
    text = "가나다, 라마\n" * 50
    for size in (1, 3, 7):
        monkeypatch.setattr(encodings, "_CHUNK", size)
        assert [find(text.encode(encoding)) for encoding in ("utf-8", "cp949")] == ["utf-8", "cp949"]


@pytest.mark.parametrize(
    ("content", "declared", "message"),
    [
        (b"", "auto", "t.csv: is empty (0 bytes)"),
        (
            "가\n나\n".encode() + b"\xff\xff",
            "auto",
            "t.csv: is neither utf-8 nor utf-16 nor cp949 (line 3: byte 0xff is",
        ),
        ("가\n나\n".encode() + b"\xff\xff", "utf-8", "t.csv: line 3: byte 0xff is not utf-8"),
        (
            "한글\n본문".encode("cp949"),
            "utf-8",
            "line 1: byte 0xc7 is not utf-8; the file reads as cp949: set data.encoding",
        ),
        ("가나다라, 마".encode("utf-16-le"), "utf-8", "the file reads as utf-16: set data.encoding: auto"),
    ],
)
def test_what_is_of_no_encoding_is_refused_by_line(content, declared, message):
    with pytest.raises(InputError) as refusal:
        find(content, declared)
    assert message in str(refusal.value)


def test_declared_utf16_may_lack_its_mark():
    text = "id,text,summary\n1,본문 하나 둘,요약\n"
    for written in ("utf-16-le", "utf-16-be"):
        content = text.encode(written)
        assert content.decode(find_encoding(lambda content=content: io.BytesIO(content), "t", "utf-16")) == text
    with pytest.raises(InputError, match=r"t: line 1: byte 0x69 is not utf-16; the file reads as utf-8"):
        find_encoding(lambda: io.BytesIO(text.encode()), "t", "utf-16")
