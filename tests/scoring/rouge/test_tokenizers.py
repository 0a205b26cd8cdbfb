"""Tokenizers by name and version, and the text they are given."""

import importlib.util
import unicodedata
from importlib.metadata import version

import pandas as pd
import pytest
from builders import ROOT

from pipeline.errors import InputError
from pipeline.scoring.rouge import morphemes
from pipeline.scoring.rouge.tokenizers import build_tokenizer, describe_tokenizer, normalise_summary, tokenize_many

HAS_KIWI = importlib.util.find_spec("kiwipiepy") is not None


def test_mecab_gives_the_morphemes_of_its_package():
    from mecab import MeCab

    tokenize, morphs = build_tokenizer("mecab"), MeCab().morphs
    for text in pd.read_csv(ROOT / "data/sample/train.csv")["text"].head(100):
        assert tokenize(text) == morphs(text)


@pytest.fixture
def many(monkeypatch):
    """Texts that are worth three processes."""
    texts = [normalise_summary(text) for text in pd.read_csv(ROOT / "data/sample/train.csv")["text"].head(101)]
    monkeypatch.setattr(morphemes, "CHARACTERS", sum(map(len, texts)) // 3)
    monkeypatch.setattr(morphemes.os, "cpu_count", lambda: 3)
    return texts


def test_many_texts_are_cut_by_processes_as_one_by_one(many, monkeypatch):
    tokenize = build_tokenizer("mecab")
    expected = [tokenize(text) for text in many]
    started = []
    run = tokenize._run_filter
    monkeypatch.setattr(tokenize, "_run_filter", lambda texts: started.append(len(texts)) or run(texts))
    monkeypatch.setattr(tokenize, "_parse", lambda text: pytest.fail("cut here, not in a process"))
    assert list(tokenize_many(tokenize, many)) == expected
    assert sorted(started) == [33, 34, 34]


@pytest.mark.parametrize("program", ["/bin/false", "/no/such/program"])
def test_texts_of_a_process_that_fails_are_cut_here(many, monkeypatch, program):
    tokenize = build_tokenizer("mecab")
    monkeypatch.setattr(morphemes.sys, "executable", program)
    assert list(tokenize_many(tokenize, many)) == [tokenize(text) for text in many]


def test_mecab_loses_nothing_behind_a_nul():
    # python-mecab-ko's own `morphs` gives 서울 alone
    tokenize = build_tokenizer("mecab")
    assert tokenize(normalise_summary("서울\0축제")) == ["서울", "축제"]
    for cut in (tokenize, lambda text: tokenize_many(tokenize, [text])):
        with pytest.raises(ValueError, match="a text holds a NUL"):
            cut("서울\0축제")


def test_tokenizers_cut_differently():
    text = "서울에서  AI 축제!"
    assert build_tokenizer("mecab")(text) == ["서울", "에서", "AI", "축제", "!"]
    assert build_tokenizer("whitespace")(text) == ["서울에서", "ai", "축제!"]
    assert build_tokenizer("character")("서울 AI\n") == ["서", "울", "A", "I"]


@pytest.mark.skipif(not HAS_KIWI, reason="kiwipiepy is an extra")
def test_kiwi_gives_morphemes():
    tokenize = build_tokenizer("kiwi")
    assert tokenize("서울에서 축제") == ["서울", "에서", "축제"]
    assert list(tokenize_many(tokenize, ["서울", "축제에서"])) == [["서울"], ["축제", "에서"]]
    assert f"kiwipiepy {version('kiwipiepy')}, kiwipiepy-model {version('kiwipiepy-model')}" in describe_tokenizer(
        "kiwi"
    )


@pytest.mark.skipif(HAS_KIWI, reason="kiwipiepy is installed")
def test_missing_kiwi_is_said_with_the_way_to_get_it():
    with pytest.raises(
        InputError, match=r"^params\.yaml: score\.tokenizer: kiwi needs .* pip install -e '\.\[kiwi\]'$"
    ):
        build_tokenizer("kiwi")


def test_tokenizer_is_described_with_its_version_and_its_dictionarys():
    mecab = f"python-mecab-ko {version('python-mecab-ko')}, python-mecab-ko-dic {version('python-mecab-ko-dic')}"
    assert describe_tokenizer("mecab") == f"mecab ({mecab})"
    assert describe_tokenizer("whitespace") == f"whitespace (korouge-score {version('korouge-score')})"
    assert describe_tokenizer("character") == "character"


def test_unknown_tokenizer_is_an_error():
    with pytest.raises(ValueError, match="unknown tokenizer 'kkma'; known: mecab, whitespace, character, kiwi"):
        build_tokenizer("kkma")


@pytest.mark.parametrize(
    ("rule", "damaged", "tokenizer"),
    [
        ("space around", "서울 축제 열림\n", "whitespace"),
        ("NUL", "서울\0축제 열림", "whitespace"),
        ("full-width space", "서울\u3000축제 열림", "mecab"),
        ("decomposed Hangul", unicodedata.normalize("NFD", "서울 축제 열림"), "mecab"),
        ("decomposed Hangul", unicodedata.normalize("NFD", "서울 축제 열림"), "character"),
    ],
)
def test_each_rule_of_normalisation_mends_tokens_that_would_not_match(rule, damaged, tokenizer):
    tokenize, good = build_tokenizer(tokenizer), normalise_summary(damaged)
    assert good == " ".join(unicodedata.normalize("NFC", damaged.replace("\0", " ")).split())
    assert tokenize(damaged) != tokenize(good), rule
