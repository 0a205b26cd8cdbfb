"""Openings and what follows them: nothing of a text is lost."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition.openings import hold_out_continuations, split_opening
from pipeline.errors import InputError


def build_frame(*texts):
    return pd.DataFrame({"id": [f"a{i}" for i in range(len(texts))], "text": texts, "summaries": [[] for _ in texts]})


@pytest.mark.parametrize(
    ("text", "sentences", "opening"),
    [
        ("비가 왔다. 길이 막혔다. 끝났다.", 1, "비가 왔다."),
        ("비가 왔다. 길이 막혔다. 끝났다.", 2, "비가 왔다. 길이 막혔다."),
        ("제목\n\n비가 왔다.", 1, "제목"),
        # no more sentences than asked for: half of the words
        ("비가 왔다. 길이 막혔다.", 2, "비가 왔다."),
        ("비가 많이 온다", 1, "비가"),
        ("비", 1, ""),
    ],
)
def test_opening_is_the_first_sentences_or_half_of_the_words(text, sentences, opening):
    assert text[: split_opening(text, sentences)] == opening


def test_validation_texts_are_split_and_one_of_a_word_is_learnt():
    train, valid = hold_out_continuations(build_frame("가 나"), build_frame("다", "라 마.\n바 사."), 1)
    assert train["text"].tolist() == ["가 나", "다"]
    assert valid[["text", "summaries"]].to_numpy().tolist() == [["라 마.", ["\n바 사."]]]
    with pytest.raises(InputError, match="every validation text is a single word"):
        hold_out_continuations(train, build_frame("다", "라"), 1)


@settings(max_examples=50)
@given(st.text("가. \n!"), st.integers(1, 3))
def test_opening_and_rest_are_the_text_and_neither_is_blank(text, sentences):
    text = text.strip()
    end = split_opening(text, sentences)
    assert bool(end) == (len(text.split()) > 1)
    if end:
        assert text[:end].split()
        assert text[end:].split()
        assert text[end].isspace()
