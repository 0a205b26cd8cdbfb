"""Distinct candidates and what describes them."""

import pandas as pd
import pytest

from pipeline.params.grid import Configuration
from pipeline.scoring.ranking.candidates import (
    FEATURES,
    collect_candidates,
    compare_within_documents,
    compute_features,
    compute_writer_scores,
)
from pipeline.scoring.rouge.comparison import Rouge

CONFIGURATIONS = [Configuration("greedy", {}), Configuration("sample", {"do_sample": True})]
# of b, greedy and the second sample write the same
ROWS = [
    ("b", "greedy", 0, "가 나 다", 4, True),
    ("b", "sample", 0, "라 마", 3, False),
    ("b", "sample", 1, "가 나 다", 4, True),
    ("a", "greedy", 0, "바 바 바", 4, True),
    ("a", "sample", 0, "사", 2, True),
    ("a", "sample", 1, "사", 2, True),
    ("a", "untuned", 0, "없다", 2, True),
]
COLUMNS = ["id", "configuration", "candidate", "text", "tokens", "finished"]
DOCUMENTS = {"a": "바 사 아 자", "b": "가 나 라 마"}


@pytest.fixture
def found():
    return collect_candidates(pd.DataFrame(ROWS, columns=COLUMNS), ["a", "b"], CONFIGURATIONS)


@pytest.fixture
def features(found):
    table = found.table[["id", "text"]].assign(tokens=[4, 2, 4, 3], nats=[4.0, 6, 2, 9], base_nats=[5.0, 8, 10, 9])
    # the table may come in any order
    return compute_features(found, table[::-1], DOCUMENTS, Rouge("whitespace"), {"rouge1": 1.0})


def test_equal_texts_of_a_document_are_one_candidate(found):
    assert found.table.to_dict("list") == {
        "id": ["a", "a", "b", "b"],
        "text": ["바 바 바", "사", "가 나 다", "라 마"],
        "finished": [True, True, True, False],
        "beams": [1, 0, 1, 0],
        "samples": [0, 2, 1, 1],
    }
    written = found.writers.groupby("place")["writer"].agg(list).tolist()
    assert written == [["greedy#0"], ["sample#0", "sample#1"], ["greedy#0", "sample#1"], ["sample#0"]]


def test_features_are_those_of_each_text(features):
    assert [*features, "configuration"] == list(FEATURES)
    assert features["likelihood"].tolist() == [-4, -6, -2, -9]
    assert features["likelihood_per_token"].tolist() == [-1, -3, -0.5, -3]
    assert features["information"].tolist() == [1, 2, 8, 0]
    assert features["information_per_token"].tolist() == [0.25, 1, 2, 0]
    assert features["length"].tolist() == [3, 1, 3, 2]
    # nobody else searched; of the samples, the other one
    assert features["near_beams"].tolist() == [0, 0, 0, 0]
    assert features["near_samples"].tolist() == [0, 1, 0, 0]
    assert features["repetition"].tolist() == [0.5, 0, 0, 0]
    assert features["coverage"].tolist() == [0.25, 0.25, 0.5, 0.5]
    assert features["finished"].tolist() == [1, 1, 1, 0]


def test_a_text_that_others_wrote_too_is_near_to_them():
    rows = [
        ("a", "greedy", 0, "가 나"),
        ("a", "sample", 0, "가 나"),
        ("a", "sample", 1, "다 라"),
        ("a", "sample", 2, "가 라"),
    ]
    table = pd.DataFrame(rows, columns=COLUMNS[:4]).assign(tokens=3, finished=True)
    found = collect_candidates(table, ["a"], CONFIGURATIONS)
    known = found.table[["id", "text"]].assign(tokens=3, nats=1.0, base_nats=1.0)
    features = compute_features(found, known, {"a": "마"}, Rouge("whitespace"), {"rouge1": 1.0})
    # of the two other samples, one shares a word of two
    assert features["near_samples"].tolist() == [0.25, 0.25, 0.5]
    assert features["near_beams"].tolist() == [0, 0, 0.5]


def test_comparison_is_within_the_document(found, features):
    compared = pd.DataFrame(compare_within_documents(features, found.table["id"]), columns=list(features))
    assert compared["likelihood"].tolist() == [1, -1, 1, -1]
    # of no other scale where documents are of another
    assert compared["near_beams"].tolist() == [0, 0, 0, 0]
    assert compared["finished"].tolist() == [0, 0, 1, -1]


def test_a_text_has_the_score_of_the_best_that_wrote_it(found):
    means = {"greedy#0": 0.3, "sample#0": 0.5, "sample#1": 0.2}
    assert compute_writer_scores(found, means).tolist() == [0.3, 0.5, 0.3, 0.5]
    # a rank that no document of the others had counts as the worst
    assert compute_writer_scores(found, {"greedy#0": 0.3, "sample#0": 0.1}).tolist() == [0.3, 0.1, 0.3, 0.1]
