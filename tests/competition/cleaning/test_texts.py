"""Rules of text: what they take away, and what they must leave."""

import time
import unicodedata

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition.cleaning.texts import SUMMARY_RULES, TEXT_RULES, clean_column, clean_texts

HEAD, TAIL = "서울시는 축제를 연다고 ", "밝혔다."
TEXT = HEAD + TAIL


def clean(rule, text):
    return TEXT_RULES[rule](text)


@pytest.mark.parametrize(
    "byline",
    [
        "(서울=연합뉴스) 홍길동 기자 = ",
        "(수원=뉴스1) 홍길동·김철수 기자 = ",
        "【서울=뉴시스】홍길동 기자 = ",
        "(서울=연합뉴스) 홍길동 기자 gildong@yna.co.kr = ",
        "(서울=연합뉴스) ",
        "[아시아경제 홍길동 기자] ",
        "[헤럴드경제=홍길동 기자]",
        "[OSEN=고양, 홍길동 기자] ",
        "홍길동 특파원 = ",
    ],
)
def test_byline_in_front_is_taken_away(byline):
    assert clean("bylines", byline + TEXT) == TEXT


@pytest.mark.parametrize(
    "byline",
    [
        " 홍길동 기자 gildong@x.co.kr",
        " 홍길동기자 gildong@x.co.kr",
        "\n홍길동 기자",
        " /홍길동 인턴기자 (gildong@x.co.kr)",
        " 부산=홍길동 기자 gildong@x.co.kr",
        " 글·사진=홍길동 기자",
        " [홍길동 기자]",
    ],
)
def test_byline_behind_is_taken_away(byline):
    assert clean("bylines", TEXT + byline) == TEXT


@pytest.mark.parametrize(
    "line",
    [
        "<저작권자 ⓒ 연합뉴스, 무단 전재 및 재배포 금지>",
        "<저작권자(c) 연합뉴스, 무단 전재-재배포, AI 학습 및 활용 금지>",
        "저작권자 © 한국일보 무단전재 및 재배포 금지",
        "[ⓒ 아시아경제, 무단전재 및 재배포 금지]",
        "Copyright ⓒ 조선일보 & Chosun.com",
        "- Copyrights ⓒ 헤럴드경제 & heraldbiz.com, 무단 전재 및 재배포 금지 -",
        "Copyrights ⓒ 파이낸셜뉴스. All rights reserved. 무단 전재 및 재배포 금지",
        "무단 전재 및 재배포 금지",
        "gildong@x.co.kr",
        "(gildong@x.co.kr)",
    ],
)
@pytest.mark.parametrize("gap", [" ", "\n"])
def test_contact_after_the_last_sentence_is_taken_away(gap, line):
    assert clean("contacts", TEXT + gap + line) == TEXT


@pytest.mark.parametrize(
    ("rule", "text", "plain"),
    [
        ("html", "<p>가<br/>나</p>", "\n가\n나\n"),
        ("html", '<a href="x">가</a> <B>나</B><img src="x"></img>', "가 나  "),
        ("html", "가&nbsp;&lt;나&gt; &amp;quot;다&quot; 전면적&#183;원천적", '가\xa0<나> "다" 전면적·원천적'),
        ("html", "가<!-- 나 -->다<script>라<b></script>", "가 다 "),
        ("html", "가&#13;나", "가\n나"),
        ("control_characters", "가\u200b나\ufeff다\u00ad라\x00\x07\u202e", "가나다라"),
        ("control_characters", "가\x0b나\u2028다\x1f라\r\n마", "가\n나\n다 라\n마"),
        ("nfc", unicodedata.normalize("NFD", "한글 é"), "한글 é"),
        ("whitespace", "  가 \t 나\u3000다 \n 라\n\n \n\n마\xa0", "가 나 다\n라\n\n마"),
    ],
)
def test_marks_are_taken_away(rule, text, plain):
    assert clean(rule, text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "홍길동 기자가 물었고 장관이 답했다. 질문한 사람은 홍길동 기자",
        "홍길동 기자: 안녕하세요\n장관: 안녕하세요",
        "누가 물었나.\n이번 질문자는 홍길동 기자",
        "당시 그 자리에 있던 사람은 모두 셋이다. 여성 기자",
        "[단독] 서울시가 움직인다. [당 사 자]\n청 구 인 우○택",
        "(주1=주2) 가 = 나",
        "[Q=A] 질문",
        "문의는 gildong@x.co.kr로 하면 된다. 문의: gildong@x.co.kr",
        "저작권자의 허락 없이 무단 전재를 금지한 조항은 위헌이 아니다.",
        "신문협회는 무단 전재 및 재배포 금지 조항을 두었다.",
        "저작권자 ⓒ 연합뉴스 서울시는 축제를 연다고 밝혔다. 시민이 모인다.",
        "사진 ⓒ 연합뉴스",
        "영화 <Her>와 <TIME>, <표 1>과 <A>의 뜻은 a < b > c 이고 <p 값이 작다",
        "<Person1>: 안녕\n#Person2#: 안녕 <b>",
        "R&D와 AT&T; Q&A",
        "👨‍👩‍👧 ❤️‍🔥 ㅋㅋ ① ㎡ ﬁ",
        "ᄒᆞᆫ글",
        "1. 가\n2. 나\n\n3. 다",
    ],
)
def test_sentences_stay_as_they_are(text):
    cleaned = clean_texts([text], list(TEXT_RULES))
    assert cleaned.texts == [text]
    assert not any(cleaned.changed.values())


TOKENS = [
    "다.",
    "&amp;",
    "&lt;",
    "&#183;",
    "<p>",
    "</p>",
    "<br>",
    "기자",
    "홍길동",
    "ⓒ",
    "a@b.kr",
    "저작권자",
    "무단",
    "하",
]
PIECES = st.sampled_from([*"가나abc \n\t\x07\u200b\u200d\xa0&;<>()[]=.@#", *TOKENS])


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_marks_that_are_gone_stay_gone_and_no_text_becomes_empty(text):
    for rule in SUMMARY_RULES:
        once = clean(rule, text)
        assert clean(rule, once) == once or rule == "html"  # tags may be made of what stood around other tags
    (cleaned,) = clean_texts([text], list(TEXT_RULES)).texts
    assert bool(cleaned.strip()) == bool(text.strip())


def test_counts_are_those_of_texts_that_a_rule_changed():
    rules = ["whitespace", "html", "control_characters"]
    cleaned = clean_texts(["가\u200b  나", "가  나", "가 나", "&nbsp;\u200b"], rules)
    assert cleaned.texts == ["가 나", "가 나", "가 나", "&nbsp;\u200b"]
    assert cleaned.changed == {"html": 0, "control_characters": 1, "whitespace": 2}
    assert cleaned.blank == [3]


def test_columns_are_cleaned_part_by_part(monkeypatch):
    monkeypatch.setattr("pipeline.competition.cleaning.texts._ROWS", 2)
    texts = pd.Series(["가", "나", "다  라", "마", "&nbsp;"], index=[5, 6, 7, 8, 9])
    lists = pd.Series([["가"], [], ["나  다", "라"], ["&nbsp;", "&nbsp;"], ["&nbsp;", "마  바"]], index=texts.index)
    done = clean_column(texts, ["whitespace", "html"], "")
    pd.testing.assert_series_equal(done.column, texts.replace("다  라", "다 라"))
    assert (done.changed, done.blank) == ({"html": 0, "whitespace": 1}, [4])
    done = clean_column(lists, ["whitespace", "html"], "")
    assert done.column.tolist() == [["가"], [], ["나 다", "라"], ["&nbsp;", "&nbsp;"], ["&nbsp;", "마 바"]]
    assert (done.changed, done.blank) == ({"html": 0, "whitespace": 2}, [3])
    assert clean_column(texts.iloc[:2], ["whitespace"], "").column.equals(texts.iloc[:2])


@pytest.mark.parametrize("piece", ["홍길동·", "[가 나 ", "저작권자 ⓒ ", "무단 전재 및 ", "<p ", "a.", "다. ", "\n"])
def test_no_rule_goes_back_again_and_again(piece):
    # what begins a rule and ends none; patterns with unbounded repetitions took minutes
    start = time.process_time()
    clean_texts([piece * (6000 // len(piece)) + "기자 ⓒ@=무단"], list(TEXT_RULES))
    assert time.process_time() - start < 2
