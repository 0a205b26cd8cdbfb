"""folds: what is pooled, what is said, and the consensus of the models."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.history.folds import build_fold_consensus, describe_folds, pool_scores


def build_fold(prefix, scores):
    ids = [f"{prefix}{i}" for i in range(len(scores))]
    return pd.DataFrame({"id": ids, "text": [f"요약 {i}" for i in ids], "score": scores, "kind": "configuration"})


def test_pooled_scores_are_every_documents_own_fold():
    pooled = pool_scores([build_fold("a", [0.2, 0.4]), build_fold("b", [0.6])])
    assert pooled[["id", "fold", "score"]].to_numpy().tolist() == [["a0", 0, 0.2], ["a1", 0, 0.4], ["b0", 1, 0.6]]


def test_folds_of_two_splits_are_refused():
    with pytest.raises(InputError, match="document 'a0' is validated on in two folds"):
        pool_scores([build_fold("a", [0.2]), build_fold("a", [0.3])])


def test_lines_tell_the_spread_between_folds_from_that_of_documents():
    pooled = pool_scores([build_fold("a", [0.1, 0.3]), build_fold("b", [0.5, 0.7])])
    lines = list(describe_folds(pooled, ["greedy", "beam"], 500, 0.95, 0))
    assert lines[0] == "fold 0: 0.2000 on 2 documents, greedy"
    assert lines[1] == "fold 1: 0.6000 on 2 documents, beam"
    assert lines[2].startswith("out of fold: 0.4000, 95% interval 0.")
    # each fold's variance is 0.02, of two documents: a standard error of 0.1
    assert "differ by up to 0.4000 (standard deviation 0.2828; the documents alone would make 0.1000)" in lines[3]


def test_consensus_of_the_folds_is_what_most_say():
    texts = [{"x": "가 나 다", "y": "마"}, {"x": "가 나 다", "y": "바 사"}, {"x": "라", "y": "바 사 아"}]
    tests = [pd.DataFrame({"id": list(one), "summary": list(one.values())}) for one in texts]
    tests[1] = tests[1].iloc[::-1]
    consensus = build_fold_consensus(tests, "whitespace", {"rouge1": 1.0})
    assert consensus.to_dict("list") == {"id": ["x", "y"], "summary": ["가 나 다", "바 사"]}


def test_folds_with_other_test_documents_are_refused():
    tests = [pd.DataFrame({"id": [name], "summary": ["가"]}) for name in "xy"]
    with pytest.raises(InputError, match="the folds predicted different test documents"):
        build_fold_consensus(tests, "whitespace", {"rouge1": 1.0})
