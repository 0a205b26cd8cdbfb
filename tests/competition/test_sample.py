"""The sample competition: deterministic, well-formed, and neither its lead nor any copying recipe gives the summary."""

import re
from collections import Counter
from functools import cache

import pytest
from builders import ROOT

from pipeline.competition.sample import DISTRACTORS, EVENTS, NEAR_DUPLICATES, build_sample, draw_sample
from pipeline.competition.sample.article import wordings
from pipeline.competition.sample.particles import PAIRS, fill, particle, slots_of

DATA = ROOT / "data" / "sample"
COLUMNS = {
    "train": ["id", "text", "summary"],
    "test": ["id", "text"],
    "sample_submission": ["id", "summary"],
    "answers": ["id", "summary"],
}


@cache
def tables():
    return build_sample()


@cache
def articles():
    return draw_sample()


def sentences(text):
    return re.split(r"(?<=다\.) ", text)


def as_bytes(frame):
    return frame.to_csv(index=False, lineterminator="\n").encode()


@pytest.mark.parametrize(
    ("word", "form", "expected"),
    [
        ("사과", "은", "는"),
        ("공장", "은", "은"),
        ("공장", "는", "은"),
        ("한별전자", "이", "가"),
        ("하늘식품", "이", "이"),
        ("버스", "을", "를"),
        ("300명", "을", "을"),
        ("강릉시", "과", "와"),
        ("남해군", "과", "과"),
        ("서울", "으로", "로"),
        ("부산", "으로", "으로"),
        ("대구", "으로", "로"),
        ("‘노을’", "으로", "로"),
        ("‘무지개’", "으로", "로"),
        ("‘바람’", "으로", "으로"),
        ("늘봄도서관", "이라고", "이라고"),
        ("하루", "이라고", "라고"),
        ("지난달", "이나", "이나"),
        ("3%", "이", "가"),
        ("10%p", "을", "를"),
        ("12km", "은", "는"),
        ("5kg", "을", "을"),
        ("3대 1", "으로", "로"),
        ("3대 0", "으로", "으로"),
        ("3대 2", "으로", "로"),
        ("1대 6", "으로", "으로"),
        ("7", "이", "이"),
        ("9", "이", "가"),
        ("100", "을", "을"),
        ("LG", "이", "가"),
        ("SKT", "은", "는"),
        ("GM", "은", "은"),
        ("LPL", "으로", "로"),
        ("한국은행(BOK)", "이", "이"),
        ("베트남", "이다", "이다"),
        ("인도", "이다", "다"),
    ],
)
def test_particle_agrees(word, form, expected):
    assert particle(word, form) == expected
    assert fill("{word:" + form + "}", {"word": word}) == word + expected


def test_same_seed_same_bytes_other_seed_other_text():
    again, other = build_sample(), build_sample(seed=7)
    for name, frame in tables().items():
        assert as_bytes(frame) == as_bytes(again[name])
    assert as_bytes(tables()["train"]) != as_bytes(other["train"])


@pytest.mark.parametrize("name", COLUMNS)
def test_committed_file_is_what_the_generator_gives(name):
    assert as_bytes(tables()[name]) == (DATA / f"{name}.csv").read_bytes()


def test_shapes_and_ids():
    for name, columns in COLUMNS.items():
        assert list(tables()[name].columns) == columns
        assert len(tables()[name]) == (2000 if name == "train" else 300)
        assert tables()[name]["id"].is_unique
    assert tables()["train"]["id"].iloc[0] == "train-0001"
    test_ids = list(tables()["test"]["id"])
    assert test_ids[0] == "test-0001"
    assert test_ids == list(tables()["sample_submission"]["id"]) == list(tables()["answers"]["id"])
    assert set(tables()["sample_submission"]["summary"]) == {""}
    texts = [*tables()["train"]["text"], *tables()["test"]["text"]]
    assert len(set(texts)) == len(texts)


def test_lengths():
    pool = [*articles()[0], *articles()[1]]
    assert {len(sentences(article.text)) for article in pool} == {4, 5, 6, 7}
    mean = sum(len(article.text) for article in pool) / len(pool)
    assert 150 <= mean <= 220
    assert all(90 <= len(article.text) <= 270 for article in pool)
    assert all(18 <= len(article.summary) <= 46 for article in pool)


def test_no_trace_of_the_templates_is_left():
    for article in [*articles()[0], *articles()[1]]:
        for text in (article.text, article.summary):
            assert not re.search(r"[{}\[\]|]|  |을\(를\)|은\(는\)|이\(가\)|\.\.", text), text
            assert text == text.strip()
            assert all(sentence.endswith("다.") for sentence in sentences(text))


def test_every_particle_behind_a_fact_agrees():
    forms = sorted({form for pair in PAIRS for form in pair}, key=len, reverse=True)
    literal = re.compile(r"\{(\w+)\}(" + "|".join(form for form in forms if form not in ("이", "가")) + r")(?= )")
    for article in [*articles()[0], *articles()[1]]:
        for template in (*article.templates, article.summary_template):
            for slot, form in literal.findall(template):
                assert particle(article.facts[slot], form) == form, template


def test_every_kind_is_in_train_and_test():
    kinds = {event.kind for event in EVENTS}
    assert len(kinds) == len(EVENTS) >= 18
    assert kinds == {article.kind for article in articles()[0]} == {article.kind for article in articles()[1]}


def test_templates_are_rich_enough():
    for event in EVENTS:
        assert len(event.forms) >= 2
        assert len({form.summary for form in event.forms}) == len(event.forms)
        stated = [*event.facts, *event.details, *(fact for form in event.forms for fact in form.facts)]
        for template in (event.lead, *stated):
            assert wordings(template) >= 3, template
        for form in event.forms:
            known = {slot for template in (event.lead, *event.facts, *form.facts) for slot in slots_of(template)}
            assert set(slots_of(form.summary)) <= known, form.summary  # the article states what the summary says
    for template in (template for group in DISTRACTORS.values() for template in group):
        assert all(slot.endswith("9") for slot in slots_of(template)), template
        assert "9" not in re.sub(r"\{[^}]*\}", "", template)


def test_summary_facts_stand_in_the_text():
    for article in [*articles()[0], *articles()[1]]:
        for slot in slots_of(article.summary_template):
            assert article.facts[slot] in article.text


def grams(text):
    return {text[start : start + 5] for start in range(len(text) - 4)}


def test_some_test_articles_nearly_repeat_training_articles():
    train, test = articles()
    train_grams = [(article.kind, grams(article.text)) for article in train]
    best = []
    for article in test:
        mine = grams(article.text)
        best.append(max(len(mine & g) / len(mine | g) for kind, g in train_grams if kind == article.kind))
    assert all(score < 1 for score in best)
    assert NEAR_DUPLICATES == 8
    # one sentence of four exchanged leaves a little over half of the 5-grams
    assert sorted(best)[-NEAR_DUPLICATES] > 0.5
    assert sorted(best)[-NEAR_DUPLICATES - 1] < sorted(best)[-NEAR_DUPLICATES]


def test_neither_lead_nor_tail_is_the_summary():
    morphs = pytest.importorskip("mecab").MeCab().morphs

    def unigram_f1(text, summary):
        left, right = Counter(morphs(text)), Counter(morphs(summary))
        return 2 * (left & right).total() / (left.total() + right.total())

    sample = articles()[1]
    copies = {"lead": slice(0, 1), "lead3": slice(0, 3), "tail": slice(-1, None)}
    score = {
        name: sum(unigram_f1(" ".join(sentences(a.text)[cut]), a.summary) for a in sample) / len(sample)
        for name, cut in copies.items()
    }
    assert 0.3 < score["lead"] < 0.45
    assert score["lead3"] < 0.45
    assert score["tail"] < 0.45
