"""What is wrong with a file is said by file, record and key; what a file is, by what stands in it."""

import io
import json

import pandas as pd
import pytest
from layout_files import COMPETITIONS

from pipeline.competition.formats import Columns
from pipeline.competition.layouts.frames import read_frame
from pipeline.competition.layouts.reading import LAYOUTS, Reading
from pipeline.competition.layouts.sources import build_file
from pipeline.errors import InputError

COLUMNS = Columns("id", "text", "summary")


def read(content, name="t.json", layout="auto", **options):
    many = content if isinstance(content, dict) else {name: content}
    files = [build_file(own, text if isinstance(text, bytes) else text.encode()) for own, text in many.items()]
    return read_frame(files, Reading(layout, "auto", COLUMNS, **options), "train")


def refuse(content, **options):
    with pytest.raises(InputError) as refusal:
        read(content, **options)
    (line,) = refusal.value.mistakes
    assert "\n" not in line
    return line


def nikl(**changes):
    record = {"id": "a", "input": {"conversation": [{"speaker": "1", "utterance": "안녕"}]}, "output": "인사"}
    return json.dumps([record | changes])


def hunmin(body, header=None):
    header = {"dialogueInfo": {"dialogueID": "h"}} if header is None else header
    return json.dumps({"numberOfItems": 1, "data": [{"header": header, "body": {"dialogue": [], **body}}]})


def report(**changes):
    record = {
        "Meta(Acqusition)": {"doc_id": "d"},
        "Meta(Refine)": {"passage": "본문"},
        "Annotation": {"summary1": "가"},
    }
    return json.dumps(record | changes)


GOOD = '{"id": "a", "text": "본문", "summary": "요약"}'
BAD = {
    "json cut off": (f"[{GOOD}, {GOOD[:-5]}", "t.json: record 2: is no JSON: parse error"),
    "json of no object": ('[{"id": "a", "text": "b"}, 3]', "t.json: record 2: is no object with keys"),
    "json, text a number": ('[{"id": "a", "text": 3}]', "t.json: record 1: 'text' is no text"),
    "json, id a fraction": ('[{"id": 1.5, "text": "b"}]', "record 1: 'id' is '1.5', neither text nor a whole number"),
    "json without an id": (f'[{GOOD}, {{"text": "b", "summary": "c"}}]', "t.json: record 2: the id is missing"),
    "json without a summary": ('[{"id": "a", "text": "b"}]', "t.json: record 1: id 'a' has no summary; mend the file"),
    "json, an empty list": ('[{"id": "a", "text": "b", "summary": []}]', "record 1: id 'a' has no summary; mend"),
    "json, summaries nested": (
        '[{"id": "a", "text": "b", "summary": [["c"]]}]',
        "t.json: record 1: 'summary' is neither a text nor a list of texts",
    ),
    "empty list": ("[]", "t.json: is of no layout that is known; found a JSON list without keys; data.layout names"),
    "unknown object": ('{"rows": [{"a": 1}]}', "is of no layout that is known; found a JSON object with keys 'rows'; "),
    "two layouts": (
        '[{"id": "a", "text": "b", "article_original": []}]',
        "t.json: could be json or dacon; found a JSON list with keys 'article_original', 'id', 'text'; data.layout",
    ),
    "jsonl, a broken line": (f"{GOOD}\n\n{{'id'}}\n", "t.json: line 3: is no JSON: Expecting property name"),
    "jsonl, a NUL": (f'{GOOD}\n{{"id": "b\\u0000"}}\n', "t.json: line 2: 'id' holds a NUL character"),
    "dacon, text for a list": (
        '{"id": "a", "article_original": "본문"}',
        "t.json: line 1: 'article_original' is no list",
    ),
    "dacon, a number for a sentence": (
        '{"id": "a", "article_original": [1]}',
        "line 1: 'article_original' is no list of",
    ),
    "dacon, no sentence": ('{"id": "a", "article_original": []}', "id 'a' has no article_original and no abstractive"),
    "aihub_document, sentences without paragraphs": (
        '{"documents": [{"id": "a", "text": [{"sentence": "가"}]}]}',
        "t.json: record 1: 'text' is no list of paragraphs, lists of sentences",
    ),
    "aihub_document, no document": ('{"documents": [{"text": []}]}', "t.json: record 1: the id is missing"),
    "aihub_report, no passage": (report(**{"Meta(Refine)": {"passage": None}}), "record 1: id 'd' has no passage"),
    "aihub_report, no summary": (report(Annotation={"summary1": None}), "record 1: id 'd' has no summary1"),
    "aihub_report, annotation a list": (report(Annotation=[]), "t.json: record 1: 'Annotation' is no object with keys"),
    "nikl, no turn": (nikl(input={"conversation": []}), "t.json: record 1: id 'a' has no conversation; mend"),
    "nikl, turns of no object": (nikl(input={"conversation": ["안녕"]}), "t.json: record 1: is no object with keys"),
    "nikl, output a number": (nikl(output=3), "t.json: record 1: 'output' is neither a text nor a list of texts"),
    "hunminjeongeum, no id": (hunmin({"summary": "가"}, {}), "t.json: record 1: the id is missing"),
    "hunminjeongeum, no dialogue": (hunmin({"summary": "가"}), "t.json: record 1: id 'h' has no dialogue; mend"),
    "no layout of a table": ("a,b\n1,2\n", "t.json: has no column 'id', 'text', 'summary'; its columns are 'a', 'b' "),
    "a picture": (b"\xff\xd8\xff\xe0", "t.json: is a picture, not a file of documents"),
    "a spreadsheet": (b"PK\3\4....", "t.json: is a zip or a spreadsheet, not a file of documents"),
    "a broken parquet": (b"PAR1....", "t.json: is no parquet file that can be read: "),
    "an empty file": (b"", "t.json: is empty (0 bytes)"),
    "an id in two files": (
        {"a.jsonl": GOOD, "b.jsonl": '{"id": "b", "text": "본문", "summary": "요약"}\n' + GOOD},
        "b.jsonl: line 2: id 'a' stands in a.jsonl: line 1 already",
    ),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_is_told_in_a_line_by_place(mistake):
    content, message = BAD[mistake]
    assert message in refuse(content)


def test_a_file_of_no_layout_hears_of_all():
    for content in ("a,b\n1,2\n", '{"rows": []}'):
        assert ", ".join(LAYOUTS) in refuse(content)


@pytest.mark.parametrize("name", COMPETITIONS)
def test_documents_of_a_layout_are_not_those_of_another(name):
    """Told the wrong layout, a reader refuses, or finds no document, but invents none."""
    competition = COMPETITIONS[name]
    file = next(own for own in competition.files if own.startswith(("train", "a.", "test/")))
    right = {"dacon list": "dacon"}.get(name, name)
    alike = {"ai_connect": {"csv"}, "csv": {"ai_connect"}, "jsonl": {"json"}, "json": {"jsonl"}}.get(right, set())
    content = competition.files[file]
    kinds = {"ai_connect", "csv", "upstage", "kobart"}
    for layout in LAYOUTS.keys() - {right, "parquet"} - alike:
        if right != "parquet" and (layout in kinds) == (right in kinds):
            refuse(content, name=file, layout=layout)


def test_columns_that_params_name_win_over_keys_of_a_layout():
    table = "fname,dialogue,summary,id,text\nf1,말,요약,x,본문\n"
    assert read(table).frame["id"].tolist() == ["x"]
    assert read("id\tnews\tsummary\nn7\t본문\t요약\n").frame["id"].tolist() == ["n7"]


def test_prose_with_other_delimiters_in_it_is_split_where_its_header_is():
    rows = [(f"a{n}", "가, 나; 다| 라\t마" * (n % 3) + "끝", "요, 약; 하나") for n in range(5)]
    for delimiter in ",;|\t":
        out = io.StringIO()
        pd.DataFrame(rows, columns=["id", "text", "summary"]).to_csv(out, sep=delimiter, index=False)
        assert read(out.getvalue()).frame["text"].tolist() == [text for _, text, _ in rows]


def test_summaries_may_be_lacking_where_text_alone_is_wanted():
    content = {
        "a.jsonl": '{"id": "1", "text": "가"}\n{"id": "2", "text": "나", "summary": "다"}',
        "b.csv": "id,text\n3,라\n",
    }
    frame = read(content, is_optional=True).frame
    assert [list(many) for many in frame["summaries"]] == [[], ["다"], []]


def test_more_documents_than_are_gathered_at_once_keep_their_order_and_places():
    count = 9_000
    content = "id,text,summary\n" + "".join(f"a{n},본문 {n},요약\n" for n in range(count))
    found = read(content, name="t.csv")
    assert found.frame["id"].tolist() == [f"a{n}" for n in range(count)]
    assert found.description == "AI CONNECT csv, 1 file, 9,000 documents, utf-8"
    late = content + "a17,본문,요약\n"
    assert refuse(late, name="t.csv") == f"t.csv: line {count + 2}: id 'a17' stands in line 19 already"


@pytest.mark.parametrize("content", ["[" * 200_000, '{"id":' * 50_000, '[{"id": "a", "text": ' + "[" * 99_999])
@pytest.mark.parametrize("layout", ["auto", "json", "jsonl", "aihub_document"])
def test_what_is_nested_too_deeply_is_refused_at_once(content, layout):
    assert refuse(content, layout=layout).startswith("t.json: ")


@pytest.mark.parametrize("layout", ["json", "jsonl", "nikl"])
def test_a_number_that_python_cannot_hold_is_refused(layout):
    # ijson's C library ends the process with one
    record = f'{{"id": {"1" * 4301}, "text": "본문", "summary": "요약"}}'
    line = refuse(record if layout == "jsonl" else f"[{record}]", layout=layout)
    assert "holds a number of more than 4,300 digits" in line


def test_parquet_is_not_read_as_what_params_say():
    content = COMPETITIONS["parquet"].files["train.parquet"]
    assert refuse(content, layout="csv") == "t.json: is parquet; set data.layout: parquet, not csv"


@pytest.mark.parametrize("name", ["a" * 500_000, "\u202eabc\u200b", "\u200d", "</s>", "=1+1"])
def test_odd_texts_and_wide_rows_are_read_as_they_stand(name):
    columns = ["id", "text", "summary", *(f"c{i}" for i in range(10**5))]
    content = "\n".join([",".join(columns), ",".join([name, name, name, *("x" for _ in columns[3:])])])
    frame = read(content, name="t.csv").frame
    assert frame.to_numpy().tolist() == [[name, name, [name]]]
