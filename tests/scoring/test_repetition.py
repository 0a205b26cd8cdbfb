"""Repetition, variety and copying, counted by hand."""

import numpy as np
import pytest

from pipeline.scoring.repetition import compute_copied, compute_distinct, compute_repetition, compute_return_rate
from pipeline.scoring.rouge.comparison import Rouge


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


@pytest.mark.parametrize(
    ("many", "expected"),
    [
        ([], 0),
        ([[], [1]], 0),
        ([[1, 2, 3], [4, 2]], 0),
        # three of four times from 7 to 7: 3/4 + 9/16 + ... = 3
        ([[7, 7, 7, 7]], 3),
        # from 1 to 2 two of three times and always back: 2 returns to either
        ([[1, 2, 1, 2, 1]], 2),
        # the same among three tokens that are on no loop
        ([[1, 2, 1, 2, 1], [8, 9], [5]], (2 + 2) / 5),
    ],
)
def test_return_rate_counts_how_often_a_chain_comes_back(many, expected):
    assert compute_return_rate(many) == pytest.approx(expected)


def test_return_rate_is_the_sum_of_the_chains_powers():
    generator = np.random.default_rng(0)
    many = [generator.integers(0, 12, size).tolist() for size in generator.integers(2, 30, 40)]
    chain = np.zeros((12, 12))
    for tokens in many:
        np.add.at(chain, (tokens[:-1], tokens[1:]), 1)
    chain /= np.bincount(np.concatenate(many), minlength=12)[:, None]
    total, power = 0.0, np.eye(12)
    for _ in range(3000):
        power = power @ chain
        total += np.trace(power) / 12
    assert compute_return_rate(many) == pytest.approx(total)


def test_factors_of_a_long_chain_stay_as_sparse_as_it_is(monkeypatch):
    from scipy.sparse import linalg

    filled, splu = [], linalg.splu

    def watch(matrix, **settings):
        factors = splu(matrix, **settings)
        filled.append((factors.L.nnz + factors.U.nnz) / matrix.nnz)
        return factors

    monkeypatch.setattr(linalg, "splu", watch)
    generator = np.random.default_rng(0)
    # a few words are frequent: SuperLU's usual order makes 30 times as many entries of it
    assert compute_return_rate([np.minimum(generator.zipf(1.3, 60), 2000).tolist() for _ in range(200)]) > 0
    assert filled[0] < 5


def test_copied_is_the_share_of_bigrams_that_the_document_has():
    build = Rouge("whitespace").build_profile
    assert compute_copied(build("가 나 다"), build("마 가 나 바")) == 0.5
    assert compute_copied(build("가 나"), build("가 나")) == 1
    assert compute_copied(build("가"), build("가 나")) == 0
