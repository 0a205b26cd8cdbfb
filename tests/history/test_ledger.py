"""The ledger: nothing lost, nothing twice, and read as it comes back from a spreadsheet."""

import csv
import io

import pytest
from builders import build_rows

from pipeline.errors import InputError
from pipeline.history.ledger import (
    COLUMNS,
    find_identical,
    merge_ledgers,
    name_scales,
    parse_ledger,
    record_scores,
    render_ledger,
)


def test_ledger_is_read_back_as_it_was_written():
    rows = build_rows((0.5, 0.4), (0.6, ""))
    rows[0]["row"] = 'beam/"a", b'
    assert parse_ledger(render_ledger(rows), "ledger.csv") == rows


@pytest.mark.parametrize("content", ["name,score\na,1\n", "", ",".join(COLUMNS) + "\na,b\n", '"open'])
def test_what_is_no_ledger_is_refused(content):
    with pytest.raises(InputError, match=r"^ledger\.csv: "):
        parse_ledger(content.encode(), "ledger.csv")


def test_identical_content_is_found_whatever_its_name():
    rows = build_rows((0.5, ""), (0.6, ""))
    assert find_identical(rows, "b" * 8) is rows[1]
    assert find_identical(rows, "c" * 8) is None


def test_answer_goes_to_the_row_of_the_file_and_to_it_alone():
    rows = build_rows((0.5, ""), (0.6, ""), (0.7, ""))
    recorded = record_scores(rows, "b" * 8, 0.41, None)
    assert [row["public"] for row in recorded] == ["", "0.41", ""]
    recorded = record_scores(recorded, "b" * 8, None, 0.39)
    assert (recorded[1]["public"], recorded[1]["private"]) == ("0.41", "0.39")
    assert [recorded[0], recorded[2]] == [rows[0], rows[2]]


@pytest.mark.parametrize(
    ("public", "message"), [(None, "give --public"), (float("nan"), "--public: nan is not a score")]
)
def test_answers_that_cannot_be_meant_are_refused(public, message):
    with pytest.raises(InputError, match=message):
        record_scores(build_rows((0.5, "")), "a" * 8, public, None)


def test_old_ledger_without_scales_is_read():
    rows = build_rows((0.5, 0.4))
    old = [name for name in COLUMNS if name not in ("tokenizer", "weights", "split")]
    content = f"{','.join(old)}\n{','.join(rows[0][name] for name in old)}\n"
    assert parse_ledger(content.encode(), "ledger.csv") == rows
    assert name_scales(rows) == {("", "", ""): "?"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_ledger_is_read_as_a_spreadsheet_saves_it(encoding, delimiter):
    rows = build_rows((0.5, 0.4), (0.6, ""), names=["제출", "둘"])
    rows[0] |= {"dirty": "true", "row": f"beam{delimiter}3", "note": "올린 것"}
    rows[1] |= {"note": ""}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*COLUMNS, "note"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows([rows[0] | {"dirty": "TRUE", "public": " 0.4 "}, dict.fromkeys(rows[0], ""), rows[1]])
    assert parse_ledger(out.getvalue().encode(encoding), "ledger.csv") == rows
    assert parse_ledger(render_ledger(rows), "ledger.csv") == rows


def test_numbers_that_are_none_are_named_together():
    rows = build_rows((0.5, "0,48"), ("nan", ""), (0.5, ""))
    rows[2]["private"] = "일등"
    with pytest.raises(InputError) as refusal:
        parse_ledger(render_ledger(rows), "ledger.csv")
    assert refusal.value.mistakes == [
        "ledger.csv: row 2: public: '0,48' is not a number",
        "ledger.csv: row 3: validation: 'nan' is not a number",
        "ledger.csv: row 4: private: '일등' is not a number",
    ]


def test_merged_ledgers_hold_each_file_once_with_all_that_is_known():
    rows, others = build_rows((0.5, ""), (0.6, 0.61)), build_rows((0.5, 0.51), (0.6, 0.59), (0.7, ""))
    rows[0]["time"], rows[1]["time"], others[2]["time"] = "2026-01-01", "2026-01-03", "2026-01-02"
    merged = merge_ledgers(rows, others)
    assert [(row["name"], row["public"]) for row in merged] == [("a", "0.51"), ("c", ""), ("b", "0.61")]
    assert merge_ledgers(merged, others) == merged
