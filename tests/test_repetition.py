"""Repetition, variety and copying, counted by hand."""

import pytest

from pipeline.scoring.repetition import compute_copied, compute_distinct, compute_repetition
from pipeline.scoring.rouge import Rouge


@pytest.mark.parametrize(
    ("tokens", "n", "expected"),
    [([1, 2, 3, 4], 2, 0), ([1, 2, 1, 2, 1], 2, 0.5), ([7, 7, 7, 7], 3, 0.5), ([1, 2], 3, 0), ([], 2, 0)],
)
def test_repetition_is_the_share_of_ngrams_seen_before(tokens, n, expected):
    assert compute_repetition(tokens, n) == expected


def test_distinct_falls_where_documents_share_phrases():
    assert compute_distinct([[1, 2], [3, 4]], 1) == 1
    assert compute_distinct([[1, 2], [1, 2], [1, 3]], 1) == 3 / 6
    assert compute_distinct([[1, 2], [1, 2], [1, 3]], 2) == 2 / 3
    assert compute_distinct([[1], []], 2) == 0


def test_copied_is_the_share_of_bigrams_that_the_document_has():
    build = Rouge("whitespace").build_profile
    assert compute_copied(build("가 나 다"), build("마 가 나 바")) == 0.5
    assert compute_copied(build("가 나"), build("가 나")) == 1
    assert compute_copied(build("가"), build("가 나")) == 0
