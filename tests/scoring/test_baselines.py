"""Korean sentences, and the baselines made of them."""

import pytest

from pipeline.params.grid import BASELINES
from pipeline.scoring.baselines import build_baseline, split_sentences

TEXT = "첫째 문장이다. 둘째 문장이다. 셋째 문장이다. 넷째 문장이다."


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("비가 왔다. 길이 막혔다.", ["비가 왔다.", "길이 막혔다."]),
        ("정말인가? 그렇다! 끝", ["정말인가?", "그렇다!", "끝"]),
        ("정말?! 그렇다.", ["정말?!", "그렇다."]),
        ("1. 비가 왔다. 2. 눈이 왔다.", ["1. 비가 왔다.", "2. 눈이 왔다."]),
        (
            "가. 청구인은 심판을 청구했다. 나. 청구를 각하한다.",
            ["가. 청구인은 심판을 청구했다.", "나. 청구를 각하한다."],
        ),
        ("물가가 3.5% 올랐다. 1.2배다.", ["물가가 3.5% 올랐다.", "1.2배다."]),
        ("2024. 12. 3. 선고했다. 끝났다.", ["2024. 12. 3. 선고했다.", "끝났다."]),
        ("그는 “간다.”라고 했다. 그리고 갔다.", ["그는 “간다.”라고 했다.", "그리고 갔다."]),
        ('그는 "간다." 라고 했다. 그리고 갔다.', ['그는 "간다." 라고 했다.', "그리고 갔다."]),
        ("그는 “왜?”라고 물었다. 답은 없었다.", ["그는 “왜?”라고 물었다.", "답은 없었다."]),
        ("위원회(서울). 다음은 부산이다.", ["위원회(서울).", "다음은 부산이다."]),
        ("제목\n본문이다.\n\n  끝이다. ", ["제목", "본문이다.", "끝이다."]),
        ("한 문장뿐", ["한 문장뿐"]),
        ("한 문장뿐.", ["한 문장뿐."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_text_is_split_at_the_ends_of_its_sentences(text, sentences):
    assert split_sentences(text) == sentences


def test_nothing_of_the_text_is_lost_but_spaces():
    text = "1. 그는 “왜?” 하고 물었다! 3.5%\n\n(끝). 가나다 … 라"
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("lead-1", "첫째 문장이다."),
        ("lead-3", "첫째 문장이다. 둘째 문장이다. 셋째 문장이다."),
        ("tail-1", "넷째 문장이다."),
    ],
)
def test_baseline_takes_sentences_from_its_side(name, summary):
    assert build_baseline(name, TEXT) == summary


@pytest.mark.parametrize("name", BASELINES)
def test_document_of_one_sentence_is_its_own_baseline(name):
    assert build_baseline(name, "온점 없는 한 문장") == "온점 없는 한 문장"


def test_lines_are_joined_into_one():
    assert build_baseline("lead-3", "하나다.\n둘이다.\n셋이다.\n넷이다.") == "하나다. 둘이다. 셋이다."


def test_much_white_space_takes_no_time():
    # the square of its length is minutes
    assert split_sentences(f"비가 왔다.{' ' * 300_000}길이{' ' * 300_000}막혔다") == [
        "비가 왔다.",
        f"길이{' ' * 300_000}막혔다",
    ]
