"""The submission equals the sample submission in form, or is not written."""

import json

import pandas as pd
import pytest

from pipeline.competition.formats import Columns, parse_submission_format
from pipeline.errors import InputError
from pipeline.params.result_sections import FormatParams
from pipeline.stages.export import build_submission as build_beside_documents
from pipeline.stages.export import build_text_files, clean_summary, join_openings, override_format

COLUMNS = Columns(id="id", text="text", summary="summary")


def form_of(sample, encoding="utf-8"):
    content = sample if isinstance(sample, bytes) else sample.encode(encoding)
    return parse_submission_format(content, "sample.csv", COLUMNS, encoding)


def build_submission(predictions, form, documents=None):
    return build_beside_documents(predictions, form, documents or {})


def predictions(**summaries):
    return pd.DataFrame({"id": list(summaries), "summary": list(summaries.values())})


def test_order_is_the_samples_not_the_predictions():
    content = build_submission(predictions(a="하나", b="둘"), form_of("id,summary\nb,\na,\n"))
    assert content.decode() == "id,summary\nb,둘\na,하나\n"


def test_column_order_index_bom_and_line_ends_are_the_samples():
    sample = "\ufeff,summary,id\r\n1,,b\r\n2,,a"
    content = build_submission(predictions(a="하나", b="둘"), form_of(sample))
    assert content.decode() == "\ufeff,summary,id\r\n1,둘,b\r\n2,하나,a"


def test_cp949_sample_gives_a_cp949_submission():
    content = build_submission(predictions(a="요약"), form_of("id,summary\na,\n", "cp949"))
    assert content.decode("cp949") == "id,summary\na,요약\n"


def test_commas_and_quotes_are_quoted_and_newlines_flattened():
    content = build_submission(predictions(a='그는 "예",\n라고 했다'), form_of("id,summary\na,\n"))
    assert content.decode() == 'id,summary\na,"그는 ""예"", 라고 했다"\n'
    assert content.count(b"\n") == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": "하나"}, "id 'b' stands in the sample submission but has no prediction"),
        (
            {"a": "하나", "b": "둘", "c": "셋", "d": "넷"},
            "id 'c' has a prediction but is not in the sample submission (and 1 more)",
        ),
        ({"a": "", "b": "둘"}, "id 'a' has an empty summary"),
        ({"a": " \n", "b": "둘"}, "id 'a' has an empty summary"),
        ({"a": "하나<pad>", "b": "둘"}, "id 'a' holds a special token or broken bytes: '하나<pad>'"),
        ({"a": "하나", "b": "둘</s>"}, "id 'b' holds a special token"),
        (
            {"a": "하나[UNK]", "b": "둘<|endoftext|>"},
            "id 'a' holds a special token or broken bytes: '하나[UNK]' (and 1 more)",
        ),
        ({"a": "하\ufffd나", "b": "둘"}, "id 'a' holds a special token or broken bytes"),
        ({"a": "하\0나", "b": "둘"}, "id 'a' holds a special token or broken bytes"),
    ],
)
def test_bad_predictions_are_refused_naming_the_first_id(rows, message):
    with pytest.raises(InputError) as refusal:
        build_submission(predictions(**rows), form_of("id,summary\na,\nb,\n"))
    assert message in str(refusal.value)


@pytest.mark.parametrize("mark", ["\ufffd", "<s>", "</s>", "[MASK]", "<|endoftext|>"])
def test_what_the_document_itself_holds_is_no_leftover(mark):
    documents = {"a": f"첫 문장의 {mark} 표시다. 둘째다.", "b": "다른 글이다."}
    content = build_submission(
        predictions(a=f"첫 문장의 {mark} 표시다.", b="둘"), form_of("id,summary\na,\nb,\n"), documents
    )
    assert content.decode() == f"id,summary\na,첫 문장의 {mark} 표시다.\nb,둘\n"
    with pytest.raises(InputError, match="id 'b' holds a special token or broken bytes"):
        build_submission(predictions(a="하나", b=f"둘{mark}"), form_of("id,summary\na,\nb,\n"), documents)
    with pytest.raises(InputError, match="id 'a' holds a special token or broken bytes"):
        build_submission(predictions(a=f"{mark}<pad>", b="둘"), form_of("id,summary\na,\nb,\n"), documents)


def test_duplicated_prediction_is_refused():
    frame = pd.DataFrame({"id": ["a", "a"], "summary": ["하나", "둘"]})
    with pytest.raises(InputError, match="id 'a' is predicted twice"):
        build_submission(frame, form_of("id,summary\na,\n"))


def test_text_that_the_encoding_cannot_hold_is_refused():
    with pytest.raises(InputError, match="id 'a' has characters that cp949 cannot hold: '요약 😀'"):
        build_submission(predictions(a="요약 😀"), form_of("id,summary\na,\n", "cp949"))


def test_lone_jamo_become_the_letters_people_type():
    assert clean_summary("웃음 \u110f\u110f \u1172") == "웃음 ㅋㅋ ㅠ"


def test_decomposed_syllables_are_composed():
    assert clean_summary("\u1112\u1161\u11ab\u1100\u1173\u11af") == "한글"


def test_a_sample_that_quotes_everything_gives_a_submission_that_does():
    content = build_submission(predictions(a="하나", b='"둘", 셋'), form_of('"id","summary"\n"b",""\n"a",""\n'))
    assert content.decode() == '"id","summary"\n"b","""둘"", 셋"\n"a","하나"\n'


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "id,summary\na,하나\n".encode()),
        ({"encoding": "utf-8-sig"}, "\ufeffid,summary\na,하나\n".encode()),
        ({"encoding": "cp949"}, "id,summary\na,하나\n".encode("cp949")),
        ({"line_end": "crlf"}, "id,summary\r\na,하나\r\n".encode()),
        ({"quoting": "all"}, '"id","summary"\n"a","하나"\n'.encode()),
    ],
)
def test_params_override_the_samples_form(make_params, change, expected):
    params = make_params(**{f"export.format.{key}": value for key, value in change.items()}).export.format
    form = override_format(form_of("id,summary\na,\n"), params)
    assert build_submission(predictions(a="하나"), form) == expected


def test_params_can_take_back_what_the_sample_does(make_params):
    changes = {"export.format.encoding": "utf-8", "export.format.line_end": "lf", "export.format.quoting": "minimal"}
    form = override_format(form_of('\ufeff"id","summary"\r\n"a",""\r\n'), make_params(**changes).export.format)
    assert build_submission(predictions(a="하나"), form) == "id,summary\na,하나\n".encode()


def test_overriding_encoding_that_cannot_hold_the_text_is_refused(make_params):
    form = override_format(
        form_of("id,summary\na,\n"), make_params(**{"export.format.encoding": "cp949"}).export.format
    )
    with pytest.raises(InputError, match="id 'a' has characters that cp949 cannot hold"):
        build_submission(predictions(a="요약 😀"), form)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("id,summary\na,\né–0,\nü,\n", "cp949 cannot hold 'é–0' (and 1 more), which stands in the sample"),
        ('[{"id": "a", "utterance": "안녕"}, {"id": "b", "utterance": "😀"}]', "cp949 cannot hold the record of 'b'"),
    ],
)
def test_encoding_that_cannot_hold_the_sample_is_refused_before_anything_is_written(sample, message):
    form = form_of(sample)
    with pytest.raises(InputError) as refusal:
        override(form, encoding="cp949", suffix="json" if sample.startswith("[") else "csv")
    assert str(refusal.value).startswith(f"export.format.encoding: {message}")


@pytest.mark.parametrize("header", ["", "no"])
def test_running_index_is_kept_with_its_name_and_its_start(header):
    content = build_submission(predictions(a="하나", b="둘"), form_of(f"{header},id,summary\n1,b,\n2,a,\n"))
    assert content.decode() == f"{header},id,summary\n1,b,둘\n2,a,하나\n"


def test_column_that_only_looks_like_an_index_is_refused():
    with pytest.raises(InputError, match="column 'score' is neither"):
        form_of("score,id,summary\n0,b,\n0,a,\n")


NIKL = """[
    {
        "id": "대화-1",
        "input": {
            "conversation": [
                {"speaker": "SD1", "utterance": "안녕"}
            ]
        },
        "output": ""
    },
    {
        "id": 2,
        "input": {}
    }
]"""


def override(form, **changes):
    defaults = {"suffix": "csv", "encoding": "sample", "line_end": "sample", "quoting": "sample"}
    return override_format(form, FormatParams(**{**defaults, **changes}))


def test_test_file_of_records_is_filled_and_else_kept():
    content = build_submission(
        predictions(**{"2": "둘", "대화-1": "하나 요약"}), override(form_of(NIKL), suffix="json")
    )
    filled = json.loads(content)
    expected = json.loads(NIKL)
    expected[0]["output"], expected[1]["output"] = "하나 요약", "둘"
    assert filled == expected
    assert content.decode().startswith('[\n    {\n        "id": "대화-1",')
    assert not content.endswith(b"\n")


def test_lines_of_records_keep_their_form():
    sample = '{"id":"b","summary":null,"fold":1}\r\n{"id":"a","summary":"","fold":2}\r\n'
    content = build_submission(predictions(a="하나", b="둘"), override(form_of(sample), suffix="jsonl"))
    assert content.decode() == '{"id":"b","summary":"둘","fold":1}\r\n{"id":"a","summary":"하나","fold":2}\r\n'


def test_escaped_records_stay_escaped():
    sample = '[{"id": "\\uac00", "summary": ""}]'
    content = build_submission(predictions(가="나"), override(form_of(sample), suffix="json"))
    assert content == b'[{"id": "\\uac00", "summary": "\\ub098"}]'


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("jsonl", '{"summary": "하나", "id": "a"}\n'),
        ("json", '[\n    {\n        "summary": "하나",\n        "id": "a"\n    }\n]\n'),
    ],
)
def test_csv_sample_can_become_records(suffix, expected):
    form = override(form_of(",summary,id\n0,,a\n"), suffix=suffix)
    assert build_submission(predictions(a="하나"), form).decode() == expected


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("[]", "sample.csv: holds no record"),
        ("[1]", "sample.csv: record 1: is no object with keys"),
        ('[{"name": "a"}]', r"sample.csv: record 1: has no 'id' \(data.id_column names the key\)"),
        ('[{"id": "a"}, {"id": "a"}]', "sample.csv: record 2: id 'a' stands in record 1 already"),
        ('[{"id": "a"}', "sample.csv: line 1: is no JSON"),
        ('{"id": "a"}\n{"id"\n', "sample.csv: line 2: is no JSON"),
    ],
)
def test_records_that_cannot_be_meant_are_refused(sample, message):
    with pytest.raises(InputError, match=message):
        form_of(sample)


def test_records_that_should_be_a_csv_are_refused_with_the_suffix_to_set():
    with pytest.raises(InputError, match=r"export.format.suffix: csv, but .* holds JSON records; set json"):
        override(form_of(NIKL))
    with pytest.raises(InputError, match=r"export.format.quoting: all is for CSV files"):
        override(form_of(NIKL), suffix="json", quoting="all")


OPENINGS = {"a": "비가 왔다.", "b": "해가 떴다."}


def test_text_is_the_opening_with_what_was_written_or_that_alone():
    written = predictions(b=" 덥다.\n끝.", a="\n길이 막혔다.")
    assert join_openings(written, OPENINGS, True)["summary"].tolist() == [
        "해가 떴다. 덥다.\n끝.",
        "비가 왔다.\n길이 막혔다.",
    ]
    assert join_openings(written, OPENINGS, False)["summary"].tolist() == ["덥다.\n끝.", "길이 막혔다."]
    with pytest.raises(InputError, match=r"export: id 'b' has an empty continuation \(a higher min_new_tokens"):
        join_openings(predictions(a="가", b=" \n"), OPENINGS, True)


def test_texts_are_files_named_by_their_ids_with_their_line_ends():
    odd = {"1": "가.\n나.", "글 2.b": "ᄏᄏ", "a/b:c": "다", ".숨은": "라", "100%": "마"}
    assert build_text_files(predictions(**odd)) == {
        "1.txt": "가.\n나.\n".encode(),
        "글 2.b.txt": "ㅋㅋ\n".encode(),
        "a%2Fb%3Ac.txt": "다\n".encode(),
        "%2E숨은.txt": "라\n".encode(),
        "100%25.txt": "마\n".encode(),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x" * 252, "b"], "export: id 'xxx"),
        (["글" * 84], "is too long for the name of a file"),
        (["A1", "a1", "b"], r"export: id 'A1' is the name of a file that another id has too, .* \(and 1 more\)"),
    ],
)
def test_ids_that_cannot_be_files_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        build_text_files(predictions(**dict.fromkeys(names, "가")))
