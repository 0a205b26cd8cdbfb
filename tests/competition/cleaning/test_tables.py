"""Cleaning of the three tables: which rows go, which are listed, and what nothing may change."""

import pandas as pd
import pytest

from pipeline.competition.cleaning.rows import ROW_RULES
from pipeline.competition.cleaning.tables import Cleaned, clean_splits, leave_out_near_copies
from pipeline.competition.cleaning.texts import TEXT_RULES
from pipeline.errors import InputError

A = (
    "서울시는 오늘 한강공원에서 시민들이 함께하는 가을 축제를 열었다고 밝혔다. 축제에는 주민 오백여 명이 모여 공연과 전시를 "
    "즐겼고, 저녁에는 강가에서 불꽃놀이가 이어졌다."
)
B = (
    "부산항의 컨테이너 물동량이 지난해보다 크게 늘었다고 항만공사가 전했다. 공사는 새 부두가 문을 열면 내년에는 더 많은 배가 "
    "들어올 것으로 내다봤다."
)
C = "국회는 내년 예산안을 두고 밤늦게까지 협상을 벌였으나 결론을 내지 못했다."
GRAMS = len("".join(A.split())) - 4
ALL = [*TEXT_RULES, *ROW_RULES, "empty_summaries", "near_copies_to_train"]


def build_frame(prefix, *rows):
    texts, summaries = [row[0] for row in rows], [list(row[1:]) for row in rows]
    return pd.DataFrame({"id": [f"{prefix}{i}" for i in range(len(rows))], "text": texts, "summaries": summaries})


def build_splits(train, valid=((B, "나"),), test=(A,)):
    test = pd.DataFrame({"id": [f"x{i}" for i in range(len(test))], "text": list(test)})
    return {"train": build_frame("t", *train), "valid": build_frame("v", *valid), "test": test}


def list_removed(cleaned):
    return cleaned.removed[["id", "rule", "copy_of", "share"]].fillna("").values.tolist()


def test_every_row_that_goes_is_listed_with_its_rule_and_what_it_copies():
    near = A.replace("오늘", "어제")
    rows = [
        (A, "가"),
        (C, C + " "),
        ("짧은 글", "글보다 긴 요약"),
        (A, "가"),
        (A, "다른 요약"),
        (near, "가"),
        (C, "&nbsp;"),
    ]
    rows += [(C, "다", C), ("둘 다 요약이 길다", "둘 다 요약이 길다 하나", "둘 다 요약이 길다 둘")]
    cleaned = clean_splits(build_splits(rows), ["bad"], ALL)
    assert list_removed(cleaned) == [
        ["bad", "empty_summaries", "", ""],
        ["t6", "empty_summaries", "", ""],
        ["t1", "copied_summaries", "", ""],
        ["t2", "longer_summaries", "", ""],
        ["t8", "longer_summaries", "", ""],
        ["t3", "exact_duplicates", "t0", "1.0000"],
        ["t4", "near_duplicates", "t0", "1.0000"],
        # the pair's two words touch six 5-grams of each
        ["t5", "near_duplicates", "t0", f"{(GRAMS - 6) / (GRAMS + 6):.4f}"],
    ]
    assert cleaned.removed.loc[cleaned.removed["id"] == "t2", ["text", "summary"]].values.tolist() == [
        ["짧은 글", "글보다 긴 요약"]
    ]
    assert cleaned.splits["train"]["id"].tolist() == ["t0", "t7"]
    assert cleaned.splits["train"].index.tolist() == [0, 1]
    assert cleaned.counts["rows"] == {
        "train": {"empty_summaries": 2, "copied_summaries": 1, "longer_summaries": 2, "exact_duplicates": 1, "near_duplicates": 2},
        "valid": {"near_copies_to_train": 0},
    }  # fmt: skip


@pytest.mark.parametrize("rule", ROW_RULES)
def test_a_rule_that_is_off_leaves_rows_and_says_nothing_of_them(rule):
    splits = build_splits([(A, A), (A, A), (C, "긴" * 99), (C + "!", "긴" * 99), (A, "가"), (A, "가"), (A + "!", "가")])
    cleaned = clean_splits(splits, [], [name for name in ALL if name != rule])
    assert rule not in set(cleaned.removed["rule"])
    assert rule not in cleaned.counts["rows"]["train"]


def test_validation_keeps_rows_and_references_and_test_keeps_everything():
    odd = [(f"<b>{B}</b>", "&quot;나\u200b"), (C, C), (C + " 끝.", "긴" * 99), (C, C)]
    splits = build_splits([(A, "&quot;가\u200b&quot;")], odd, [A, A, "&nbsp;", f"<p>{A}</p> 홍길동 기자"])
    before = {name: frame.copy() for name, frame in splits.items()}
    cleaned = clean_splits(splits, [], ALL)
    assert cleaned.splits["valid"]["id"].tolist() == ["v0", "v1", "v2", "v3"]
    assert cleaned.splits["valid"]["summaries"].tolist() == [[row[1]] for row in odd]
    assert cleaned.splits["valid"]["text"].iloc[0] == B
    assert cleaned.splits["test"].values.tolist() == [["x0", A], ["x1", A], ["x2", "&nbsp;"], ["x3", A]]
    assert cleaned.splits["train"]["summaries"].tolist() == [['"가"']]
    assert cleaned.counts["documents"]["test"]["html"] == cleaned.counts["documents"]["test"]["bylines"] == 1
    assert cleaned.counts["summaries"] == {"train": {"html": 1, "control_characters": 1, "nfc": 0, "whitespace": 0}}
    for name, frame in splits.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_validation_rows_that_nearly_copy_train_go_there_and_their_copies_with_them():
    chain = [A.replace("오늘", "어제"), A.replace("오늘", "어제").replace("밝혔다", "말했다"), B]
    splits = build_splits([(C, "다"), (A, "가")], [(text, "나") for text in chain])
    cleaned = clean_splits(splits, [], ["near_copies_to_train"])
    assert cleaned.splits["train"]["id"].tolist() == ["t0", "t1", "v0", "v1"]
    assert cleaned.splits["valid"]["id"].tolist() == ["v2"]
    assert [row[:3] for row in list_removed(cleaned)] == [
        ["v0", "near_copies_to_train", "t1"],
        ["v1", "near_copies_to_train", "v0"],
    ]
    with pytest.raises(InputError, match=r"preprocess\.clean\.near_copies_to_train: every validation row"):
        clean_splits(build_splits([(A, "가")], [(A, "나")]), [], ["near_copies_to_train"])


def test_nothing_left_to_train_on_is_refused_by_the_rule():
    with pytest.raises(InputError, match=r"preprocess\.clean\.copied_summaries: leaves no row to train on"):
        clean_splits(build_splits([(A, A), (C, C)]), [], ALL)


def test_without_rules_tables_are_what_they_were_and_the_list_has_its_header():
    splits = build_splits([("가\u200b  나", "다"), ("가\u200b  나", "다")])
    cleaned = clean_splits(splits, [], [])
    assert isinstance(cleaned, Cleaned)
    assert cleaned.removed.to_csv(index=False) == "id,rule,copy_of,share,text,summary\n"
    for name, frame in splits.items():
        pd.testing.assert_frame_equal(cleaned.splits[name], frame)


def test_further_texts_are_cleaned_and_what_nearly_is_held_out_is_left_out():
    extra = build_frame("e", (A + "\u200b", "가  나"), (C, "다"), (B.replace("크게", "많이"), "라"))
    splits = build_splits([(C, "다")]) | {"extra": extra}
    cleaned = clean_splits(splits, [], ["control_characters", "whitespace"])
    assert cleaned.splits["extra"][["text", "summaries"]].values.tolist()[0] == [A, ["가 나"]]
    kept, removed = leave_out_near_copies(cleaned.splits["extra"], [cleaned.splits["valid"], cleaned.splits["test"]])
    assert kept["id"].tolist() == ["e1"]
    assert removed[["id", "rule", "copy_of"]].values.tolist() == [
        ["e0", "near_copies_of_held_out", "x0"],
        ["e2", "near_copies_of_held_out", "v0"],
    ]
