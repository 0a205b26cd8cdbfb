"""Figures of texts: each document's values make the figure of all, as it is defined."""

import numpy as np
import pandas as pd
import pytest

from pipeline.scoring import figures as module
from pipeline.scoring.figures import FIGURES, compute_figures, linearise
from pipeline.scoring.repetition import compute_distinct, compute_repetition, compute_return_rate
from pipeline.scoring.rouge.comparison import Rouge

TEXTS = [["가 나 가 나 가", "다 라"], ["가 가 가 가 마", "바 가 나 사"], ["아", "가 나 가 자 차"]]


def build_texts(texts=TEXTS):
    """Texts by document and rank; every nat, token and n-gram count is another number."""
    rows = [(f"a{d}", c, text) for d, many in enumerate(texts) for c, text in enumerate(many)]
    frame = pd.DataFrame(rows, columns=["id", "candidate", "text"])
    numbers = np.arange(1, len(frame) + 1)
    return frame.assign(tokens=numbers + 3, nats=numbers * 2.0, ngrams=numbers * 3, known=numbers[::-1])


def test_means_are_the_figures_as_they_are_defined():
    rouge, texts = Rouge("whitespace"), build_texts()
    found = compute_figures(texts, ["a2", "a0", "a1"], rouge)
    assert (list(found.index), list(found.columns)) == (["a2", "a0", "a1"], list(FIGURES))
    ranks = [[rouge.build_profile(many[rank]).tokens for many in TEXTS] for rank in (0, 1)]
    for n in (2, 3, 4):
        expected = np.mean([compute_repetition(tokens, n) for rank in ranks for tokens in rank])
        assert found[f"rep{n}"].mean() == pytest.approx(expected)
    for n in (1, 2, 3):
        counts = [sum(max(len(tokens) - n + 1, 0) for tokens in rank) for rank in ranks]
        different = [compute_distinct(rank, n) * count for rank, count in zip(ranks, counts, strict=True)]
        assert found[f"distinct{n}"].mean() == pytest.approx(sum(different) / sum(counts))
    types = [len(set().union(*rank)) for rank in ranks]
    returned = [compute_return_rate(rank) * size for rank, size in zip(ranks, types, strict=True)]
    assert found["return_rate"].mean() == pytest.approx(sum(returned) / sum(types))
    assert found["nats"].mean() == pytest.approx(texts["nats"].sum() / texts["tokens"].sum())
    assert found["overlap"].mean() == pytest.approx(texts["known"].sum() / texts["ngrams"].sum())
    assert found["length"].mean() == np.mean([len(tokens) for rank in ranks for tokens in rank])
    # a document that repeats itself says so, whatever the others do
    assert found.loc["a1", "rep2"] == pytest.approx((0.5 + 0) / 2)


def test_beside_other_texts_each_is_counted_as_far_as_the_shorter_goes():
    rouge, long = Rouge("whitespace"), build_texts([["가 나 가 나 가 나", "다 라 다"], ["마 바", "사 아 자 차"]])
    short = build_texts([["하 하 하", "다 라 다 라 다"], ["마", "사 아 자 차"]])
    cut = build_texts([["가 나 가", "다 라 다"], ["마", "사 아 자 차"]])
    ids, counted = ["a0", "a1"], ["rep2", "distinct1", "distinct2", "return_rate"]
    found, expected = compute_figures(long, ids, rouge, short), compute_figures(cut, ids, rouge)
    pd.testing.assert_frame_equal(found[counted], expected[counted])
    # but not where a rate does not depend on it
    whole = compute_figures(long, ids, rouge)
    pd.testing.assert_frame_equal(found[["nats", "overlap", "length"]], whole[["nats", "overlap", "length"]])


def test_texts_past_the_chain_have_no_return_rate_of_their_own(monkeypatch):
    rouge, texts = Rouge("whitespace"), build_texts()
    monkeypatch.setattr("pipeline.scoring.repetition.CHAINED", 2)
    monkeypatch.setattr(module, "CHAINED", 2)
    found = compute_figures(texts, ["a0", "a1", "a2"], rouge)["return_rate"]
    assert found["a2"] == pytest.approx(found.mean())


def test_texts_without_anything_have_figures_of_nothing():
    empty = build_texts([[""], [""]]).assign(tokens=0, ngrams=0, known=0)
    assert not compute_figures(empty, ["a0", "a1"], Rouge("whitespace")).to_numpy().any()


def test_linearised_values_have_the_spread_of_a_resampled_ratio():
    generator = np.random.default_rng(0)
    below = generator.integers(5, 50, 400).astype(float)
    above = below * generator.normal(2, 0.5, 400)
    draws = generator.integers(0, 400, (2000, 400))
    resampled = (above[draws].sum(1) / below[draws].sum(1)).std()
    assert linearise(above, below).std() / 20 == pytest.approx(resampled, rel=0.1)
