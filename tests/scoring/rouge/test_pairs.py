"""Many pairs at once score as each alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.rouge import pairs as module
from pipeline.scoring.rouge.comparison import ALL_METRICS, Rouge, compare
from pipeline.scoring.rouge.pairs import compare_pairs, compute_rouge, select_best

# few letters, so that tokens and bigrams repeat in both texts
TEXTS = st.lists(st.sampled_from("가나다"), max_size=9).map(" ".join)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.sampled_from(ALL_METRICS), st.sampled_from([2, 100]))
def test_pairs_together_score_as_each_alone(texts, metric, chunk):
    rouge = Rouge(str.split)
    pairs = [(rouge.build_profile(a), rouge.build_profile(b)) for a, b in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        together = compare_pairs(pairs, [metric])[metric]
    assert together.shape == (len(pairs), 3)
    assert together.tolist() == [list(compare(*pair, metric)) for pair in pairs]


def test_first_of_the_best_references_counts():
    scores = np.array([[1, 0.5, 0.6], [0.5, 1, 0.6], [0.1, 0.1, 0.1], [0.2, 0.2, 0.2]])
    assert select_best(scores, np.array([3, 1])).tolist() == [[1, 0.5, 0.6], [0.2, 0.2, 0.2]]


def test_vocabulary_that_does_not_fit_is_no_silent_error(monkeypatch):
    monkeypatch.setattr(module, "TOKEN_BITS", 1)
    with pytest.raises(OverflowError, match="more than 2 distinct tokens"):
        compute_rouge(["가 나 다"], [["가"]], Rouge(str.split))
