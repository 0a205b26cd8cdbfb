"""JSON records: kept as they stand but for the summaries, and read as one or several texts an id."""

import json

import pytest

from pipeline.competition.formats import Columns, parse_answers, parse_predictions, parse_submission_format
from pipeline.competition.records import render_records
from pipeline.errors import InputError

COLUMNS = Columns(id="id", text="text", summary="summary")
# each is another number, or a mistake, to a program that reads and writes it as a float or an int
NUMBERS = (
    "1.10, 1e5, 1E+05, -0.0, 0.1000, 12345678901234567890123, 1.000000000000000000001, 5e-324, 1e999, NaN, -Infinity"
)


def form_of(sample, encoding="utf-8"):
    return parse_submission_format(sample.encode(encoding), "sample.json", COLUMNS, encoding)


def read_answers(content, parse=parse_answers):
    return parse(content.encode(), "answers.json", COLUMNS, "utf-8")


@pytest.mark.parametrize(
    "sample",
    [
        f'[{{"id": "a", "score": 1.10, "list": [{NUMBERS}], "summary": "", "z": 1, "b": {{"y": 2.50, "a": []}}}}]',
        f'{{"id":"a","summary":"","n":[{NUMBERS.replace(", ", ",")}],"t":true,"f":null,"e":{{}}}}\n',
        f'[\n\t{{\n\t\t"id": "a",\n\t\t"n": [\n\t\t\t{NUMBERS.replace(", ", "," + chr(10) + chr(9) * 3)}\n\t\t],\n\t\t"summary": ""\n\t}}\n]\n',
        '[{"id": "a", "half": "\\ud800", "nul": "\\u0000", "summary": "", "가": "나"}]',
        '{"id":"a","text":"첫 줄\u2028둘째\u2029셋째\u0085넷째\x7f","summary":""}\r\n',
    ],
)
def test_a_filled_sample_differs_in_its_summary_alone(sample):
    text = render_records(form_of(sample), {"a": "요약"})
    assert text == sample.replace('"summary":""', '"summary":"요약"').replace('"summary": ""', '"summary": "요약"')


def test_what_only_python_takes_for_a_line_end_splits_no_record():
    form = form_of(
        "".join(f'{{"id": "{n}", "text": "가{c}나", "summary": ""}}\n' for n, c in enumerate("\u2028\u2029\x85"))
    )
    assert form.ids == ["0", "1", "2"]
    assert form.is_lines


def test_numbers_survive_another_shape():
    from dataclasses import replace

    form = form_of(f'[\n  {{"id": 7, "n": [{NUMBERS}], "summary": ""}}\n]')
    assert form.ids == ["7"]
    lines = render_records(replace(form, is_lines=True, indent=None), {"7": "요약"})
    assert lines == f'{{"id": 7, "n": [{NUMBERS}], "summary": "요약"}}'


def test_an_id_is_the_number_that_stands_there():
    sample = '[{"id": 1.10, "summary": ""}, {"id": 1.1, "summary": ""}, {"id": 12345678901234567890123, "summary": ""}]'
    form = form_of(sample)
    assert form.ids == ["1.10", "1.1", "12345678901234567890123"]
    assert json.loads(render_records(form, dict(zip(form.ids, "가나다", strict=True))))[1]["summary"] == "나"


def test_samples_with_lists_of_summaries_get_lists_of_one():
    assert (
        render_records(form_of('[{"id": "a", "output": [""]}]'), {"a": "요약"}) == '[{"id": "a", "output": ["요약"]}]'
    )


def test_a_list_is_several_references():
    table = read_answers(
        '[{"id": "a", "output": ["요약 하나", " 요약 둘\\r\\n"]}, {"id": 2, "output": "하나"}, {"id": "c"}]'
    )
    assert table["id"].tolist() == ["a", "2", "c"]
    assert table["summaries"].tolist() == [["요약 하나", "요약 둘"], ["하나"], [""]]


def test_predictions_are_one_an_id():
    assert read_answers('[{"id": "a", "output": ["요약"]}]', parse_predictions)["summary"].tolist() == ["요약"]
    many = '{"id": "a", "output": "가"}\n{"id": "b", "output": ["가", "나"]}\n{"id": "c", "output": ["가", "나"]}'
    with pytest.raises(InputError, match=r"answers\.json: id 'b' has 2 summaries \(and 1 more\)"):
        read_answers(many, parse_predictions)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            '[{"id": "a", "output": {"text": "요약"}}]',
            "record 1: id 'a': 'output' is neither a text nor a list of texts",
        ),
        ('[{"id": "a", "output": [["요약"]]}]', "record 1: id 'a': 'output' is neither a text nor a list of texts"),
        ('[{"id": "a", "output": true}]', "record 1: id 'a': 'output' is neither"),
        ('[{"id": true, "output": "가"}]', "record 1: has no 'id'"),
        (
            '{"id": "a"}\n{"id": "b", "output": "가\\u0000나"}',
            "record 2: id 'b': 'output' holds a NUL character, U+0000",
        ),
        (
            '[{"id": "a", "output": ["가", "\\ud83d"]}]',
            "record 1: id 'a': 'output' holds half a character (a lone surrogate), U+D83D",
        ),
        ('[{"id": "a\\udc00"}]', "record 1: 'id' holds half a character (a lone surrogate), U+DC00"),
        ('[\n{"id": "a",\n"output": "가\0나"}]', "line 3: holds a NUL character, U+0000"),
        ("[" * 100_000, "is no JSON that can be read: it is nested too deeply"),
        ('{"id": "a"}\n{"id": ' + "[" * 100_000, "line 2: is nested too deeply"),
    ],
)
def test_what_is_no_summary_is_refused_by_record(records, message):
    with pytest.raises(InputError) as refusal:
        read_answers(records)
    assert len(refusal.value.mistakes) == 1
    assert str(refusal.value).startswith("answers.json: ")
    assert message in str(refusal.value)


def test_a_pair_of_surrogates_is_a_character():
    assert read_answers('[{"id": "a", "output": "\\ud83d\\ude42"}]')["summaries"].tolist() == [["🙂"]]
