"""Competition files: what is read, and what is refused with file and line."""

import pytest

from pipeline.competition.formats import (
    Columns,
    parse_answers,
    parse_submission_format,
)
from pipeline.competition.layouts.frames import read_frame
from pipeline.competition.layouts.reading import Reading
from pipeline.competition.layouts.sources import build_file
from pipeline.errors import InputError

COLUMNS = Columns(id="id", text="text", summary="summary")
GOOD = "id,text,summary\na,본문 하나,요약 하나\nb,본문 둘,요약 둘\n"


def read_train(content, encoding="utf-8", drop_invalid=False):
    content = content if isinstance(content, bytes) else content.encode()
    return read_frame(
        [build_file("train.csv", content)], Reading("csv", encoding, COLUMNS), "train", drop_invalid
    ).frame


def read_test(content, encoding="utf-8", name="train.csv"):
    return read_frame([build_file(name, content)], Reading("csv", encoding, COLUMNS, False), "test").frame


def read_sample(content, encoding="utf-8"):
    content = content if isinstance(content, bytes) else content.encode()
    return parse_submission_format(content, "sample.csv", COLUMNS, encoding)


def test_good_file_is_read_in_order():
    frame = read_train(GOOD)
    assert frame["id"].tolist() == ["a", "b"]
    assert frame["text"].tolist() == ["본문 하나", "본문 둘"]
    assert frame["summaries"].tolist() == [["요약 하나"], ["요약 둘"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "train.csv: is empty (0 bytes)"),
        ("id,text,summary\n", "train.csv: has a header and no rows"),
        ("\n\n", "train.csv: has no header line"),
        ("id,text\na,b\n", "train.csv: has no column 'summary'; its columns are 'id', 'text'"),
        ("id:text:summary\na:b:c\n", "has no column 'id', 'text', 'summary'; its columns are 'id:text:summary'"),
        ("id,text,summary,text\na,b,c,d\n", "column 'text' stands 2 times in the header"),
        ("id,text,summary\na,본문\n", "train.csv: line 2: 2 fields, but the header has 3"),
        ("id,text,summary\na,본문,요약,더\n", "train.csv: line 2: 4 fields, but the header has 3"),
        ('id,text,summary\na,"본문,요약\n', "(a quote left open or misplaced?)"),
        ('id,text,summary\na,"본"문,요약\n', "train.csv: line 2: "),
        (GOOD + "a,본문 셋,요약 셋\n", "train.csv: line 4: id 'a' stands in line 2 already"),
        (GOOD + ",본문,요약\n", "train.csv: line 4: the id is missing"),
        (GOOD + " ,본문,요약\n,본문,요약\n", "train.csv: line 4: the id is missing (and 1 more row)"),
        (GOOD + "c,본문,\n", "train.csv: line 4: id 'c' has no summary"),
        (GOOD + "c,본문,NaN\n", "train.csv: line 4: id 'c' has no summary"),
        (GOOD + "c,본문,  \t \n", "train.csv: line 4: id 'c' has no summary"),
        (GOOD + "c,,\nd, ,요약\n", "id 'c' has no text and no summary (and 1 more row)"),
        (GOOD.encode("cp949"), "the file reads as cp949: set data.encoding: auto"),
        (GOOD.encode("utf-16"), "the file reads as utf-16: set data.encoding: auto"),
        (GOOD.encode() + b"\xff\xff", "train.csv: line 4: byte 0xff is not utf-8"),
    ],
)
def test_bad_training_file_is_refused_by_file_and_line(content, message):
    with pytest.raises(InputError) as refusal:
        read_train(content)
    assert len(refusal.value.mistakes) == 1
    assert message in str(refusal.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp949"])
@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_train, 'id,text,summary\na,"1\n2",요약\nb,본\0문,요약\n'),
        (read_train, 'id,text,summary\na,"1\n2",요약\nb,본문,요\0약\n'),
        (read_train, 'id,text,summary\na,"1\n2",요약\nb\0,본문,요약\n'),
        (read_test, 'id,text\na,"1\n2"\nb,본문\0\n'),
        (lambda *a: parse_answers(a[0], "train.csv", COLUMNS, a[1]), 'id,summary\na,"1\n2"\nb,\0\n'),
    ],
)
def test_a_nul_is_refused_by_line(read, content, encoding):
    with pytest.raises(
        InputError, match=r"^train\.csv: line 4: holds a NUL character, U\+0000; take it out of the file$"
    ):
        read(content.encode(encoding), encoding)


ANSWERS = "id,summary\na,하나 요약\nb,둘 요약\n"


@pytest.mark.parametrize(
    "content", [ANSWERS, '[{"id": "a", "summary": "하나 요약"}, {"id": "b", "summary": "둘 요약"}]']
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949"])
def test_answers_are_read_in_whatever_encoding_they_are(content, encoding):
    table = parse_answers(content.encode(encoding), "answers.csv", COLUMNS, None)
    assert table["id"].tolist() == ["a", "b"]
    assert table["summaries"].tolist() == [["하나 요약"], ["둘 요약"]]


def test_answers_in_no_encoding_are_refused_without_advice_on_data():
    with pytest.raises(InputError) as refusal:
        parse_answers(ANSWERS.encode() + b"\xff\xff", "answers.csv", COLUMNS, None)
    assert str(refusal.value) == ("answers.csv: is neither utf-8 nor utf-16 nor cp949 (line 4: byte 0xff is not utf-8)")


def test_bom_is_no_part_of_the_first_column():
    assert read_train("\ufeff" + GOOD)["id"].tolist() == ["a", "b"]


def test_declared_encodings_are_read():
    for encoding in ("cp949", "utf-16"):
        assert read_train(GOOD.encode(encoding), encoding)["text"].tolist() == ["본문 하나", "본문 둘"]


def test_newlines_commas_and_quotes_inside_a_field_survive():
    frame = read_train('id,text,summary\na,"첫 줄\r\n둘째 ""줄"", 끝",요약\n')
    assert frame["text"].tolist() == ['첫 줄\n둘째 "줄", 끝']


def test_line_numbers_count_the_newlines_inside_fields():
    with pytest.raises(InputError, match="line 5: id 'b' has no summary"):
        read_train('id,text,summary\na,"1\n2\n3",요약\nb,본문,\n')


@pytest.mark.parametrize("name", ["007", "1.0", "1e5", "NA", "null", "12345678901234567890", "0x1F", "True"])
def test_ids_stay_the_text_that_they_are(name):
    assert read_train(f"id,text,summary\n{name},본문,요약\n")["id"].tolist() == [name]


def test_invalid_rows_are_left_out_only_on_request_and_are_named():
    file = build_file("train.csv", f"{GOOD}c,본문,\n".encode())
    found = read_frame([file], Reading("csv", "utf-8", COLUMNS), "train", drop_invalid=True)
    assert found.frame["id"].tolist() == ["a", "b"]
    assert found.dropped == ["c"]


def test_nothing_left_is_refused_even_when_rows_may_be_dropped():
    with pytest.raises(InputError, match=r"train\.csv: no row has both text and summary"):
        read_train("id,text,summary\na,본문,\n", drop_invalid=True)


def test_document_longer_than_the_csv_modules_limit_is_read():
    assert len(read_train(f"id,text,summary\na,{'가' * 200_000},요약\n")["text"][0]) == 200_000


def test_blank_test_document_is_refused():
    with pytest.raises(InputError, match=r"test\.csv: line 3: id 'b' has no text; every test document needs"):
        read_test("id,text\na,본문\nb,\n".encode(), name="test.csv")


def test_a_word_that_programs_write_for_nothing_may_stand_in_a_text():
    assert read_train("id,text,summary\na,없음 null 값,nan 처리\n")["summaries"].tolist() == [["nan 처리"]]


def test_answers_need_unique_ids():
    with pytest.raises(InputError, match="line 3: id 'a' stands in line 2 already"):
        parse_answers("id,summary\na,하나\na,둘\n".encode(), "answers.csv", COLUMNS, "utf-8")


def test_form_of_a_plain_sample():
    form = read_sample("id,summary\nb,\na,\n")
    assert (form.ids, form.columns, form.index_column) == (["b", "a"], ["id", "summary"], None)
    assert (form.line_end, form.has_bom, form.ends_with_newline) == ("\n", False, True)


def test_form_keeps_index_column_bom_line_ends_and_missing_last_newline():
    form = read_sample("\ufeff,fname,summary\r\n0,b,\r\n1,a,".replace("fname", "id"))
    assert form.columns == ["", "id", "summary"]
    assert (form.index_column, form.index_start, form.has_bom) == (0, 0, True)
    assert (form.line_end, form.ends_with_newline) == ("\r\n", False)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_end_is_the_headers_own(line_end):
    # a summary may hold line ends of its own, of another kind
    form = read_sample(f'id,summary{line_end}b,"x\r\ny\nz"{line_end}a,{line_end}')
    assert (form.line_end, form.ids, form.ends_with_newline) == (line_end, ["b", "a"], True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text\na,\n", "sample.csv: has no column 'summary'"),
        ("name,summary\na,\n", "sample.csv: has no column 'id'"),
        ("id,summary,topic\na,,\n", "sample.csv: column 'topic' is neither 'id' nor 'summary'"),
        (",id,summary\n0,a,\n5,b,\n", "sample.csv: line 3: the unnamed column holds '5', not a running index"),
        ("id,summary\na,\na,\n", "sample.csv: line 3: id 'a' stands in line 2 already"),
        ("id,summary\n", "sample.csv: has a header and no rows"),
        (",,id,summary\n0,0,a,\n", "sample.csv: has 2 unnamed columns; one can be a running index"),
    ],
)
def test_bad_sample_is_refused(content, message):
    with pytest.raises(InputError) as refusal:
        read_sample(content)
    assert message in str(refusal.value)
