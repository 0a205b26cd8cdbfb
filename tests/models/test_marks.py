"""Marks found in documents: those of the data sets that have them, and nothing that a sentence is made of."""

import pytest

from pipeline.models.marks import DOCUMENTS, MOST, find_special_tokens


def find(*texts):
    return find_special_tokens("auto", texts * DOCUMENTS)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (
            "#Person1#: 안녕하세요.\n#Person2#: #PhoneNumber#로 전화 주세요.",
            ["#Person1#", "#Person2#", "#PhoneNumber#"],
        ),
        ("&name1&가 &tel-num&로 전화했다.", ["&name1&", "&tel-num&"]),
        ("[이름1] 씨와 {name}, <주소>를 만났다.", ["<주소>", "[이름1]", "{name}"]),
        ("P01: 왔어?\nP02: 응, P01: 아니야", ["P01:", "P02:"]),
        ("[서울=뉴스] 시청에서 [사진] 행사가 열렸다. AT&T와 R&D, #1 #축제 #행사", []),
        ("오전10:30에 <br 끝 a<b, c>d {} [] [12] 3:00 </s> <pad> <unk>", []),
    ],
)
def test_marks_of_data_sets_are_found_and_text_is_not(text, marks):
    assert sorted(find(text)) == marks


def test_found_marks_are_frequent_few_and_in_one_order():
    few = [f"#Rare{i}# #Person1#" for i in range(DOCUMENTS - 1)] + ["#Rare1#" * 99]
    assert find_special_tokens("auto", few) == ()
    texts = ["#나# #가#"] * DOCUMENTS + ["#다#"] * (DOCUMENTS + 1)
    assert find_special_tokens("auto", texts) == find_special_tokens("auto", texts[::-1]) == ("#다#", "#가#", "#나#")
    assert len(find(" ".join(f"#a{i}#" for i in range(MOST + 5)))) == MOST


def test_listed_marks_are_taken_as_they_are():
    assert find_special_tokens(["#b#", "#a#"], ["#c#"] * DOCUMENTS) == ("#b#", "#a#")
    assert find_special_tokens([], ["#c#"] * DOCUMENTS) == ()
