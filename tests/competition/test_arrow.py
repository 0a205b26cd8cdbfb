"""Texts in Arrow's memory: what lists of Python's strings would give, without being them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.competition.arrow import Texts, separate, take_apart

# a pair of surrogates in UTF-16 and what stands behind it there sort differently in UTF-8, as characters do
WORDS = st.lists(st.text(alphabet="가나다a 🙂\uff01", max_size=3), max_size=12)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_texts_are_those_of_a_list(words, size, rng):
    chunks = [pa.array(words[i : i + size], pa.large_string()) for i in range(0, len(words), size)]
    places = np.array(rng.sample(range(len(words)), len(words) // 2), np.int64)
    whole = Texts(pa.chunked_array(chunks, pa.large_string()))
    for texts, expected in ((whole, words), (whole.select(places), [words[place] for place in places])):
        assert list(texts) == [texts[n] for n in range(len(texts))] == expected
        assert texts[1:] == expected[1:]
        distinct, numbers = texts.sort_distinct()
        assert list(distinct) == sorted(set(expected))
        assert [distinct[number] for number in numbers] == expected


def test_a_view_of_texts_copies_nothing():
    column = pd.Series(["가나다라마바사" * 10] * 1000, dtype="str")
    before = pa.total_allocated_bytes()
    view = Texts(Texts(column)).select(np.arange(999, -1, -1))
    assert len(view.sort_distinct()[0]) == 1
    assert pa.total_allocated_bytes() == before


@pytest.mark.parametrize("kind", ["str", object])
def test_rows_are_separated_in_their_order(kind):
    frame = pd.DataFrame(
        {"id": pd.Series(list("abcde"), dtype=kind), "many": [["가"], [], ["나", "다"], ["라"], ["마"]]}
    )
    columns = take_apart(frame)
    first, second = separate(columns, np.array([False, True, False, False, True]))
    # used up, so that no column is in memory twice
    assert columns == {}
    assert first["id"].tolist() == ["a", "c", "d"]
    assert [list(many) for many in first["many"]] == [["가"], ["나", "다"], ["라"]]
    assert second["id"].tolist() == ["b", "e"]
    assert [list(many) for many in second["many"]] == [[], ["마"]]
    assert second.index.tolist() == [0, 1]
