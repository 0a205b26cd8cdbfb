"""Folds: near-copies together, every document once, like sizes and lengths."""

import pandas as pd
import pytest
from builders import ROOT

from pipeline.competition.splits import assign_folds, group_near_copies
from pipeline.stages.preprocess import split_examples

TEXT = "서울에서 열린 봄 축제에 시민 오백 명이 참여해 공연과 전시를 즐겼다고 시가 밝혔다."


def build_examples(texts, summaries=None):
    summaries = summaries or ["요약"] * len(texts)
    return pd.DataFrame(
        {"id": [f"a{i}" for i in range(len(texts))], "text": texts, "summaries": [[s] for s in summaries]}
    )


def test_near_copies_are_a_group_in_turn():
    near = TEXT.replace("오백", "육백")
    longer = near + " 이 행사는 내년에도 열린다."
    other = "부산 항만에서 화물선 두 척이 부딪혀 기름이 흘러나왔고 해경이 막았다."
    groups = group_near_copies([TEXT, other, near, longer, TEXT])
    assert groups[0] == groups[2] == groups[3] == groups[4] != groups[1]


def test_short_and_empty_texts_do_not_break_grouping():
    assert len(set(group_near_copies(["가", "나", "가", ""]))) == 3


@pytest.fixture(scope="module")
def sample():
    train = pd.read_csv(ROOT / "data/sample/train.csv").head(300)
    return pd.DataFrame({"id": train["id"], "text": train["text"], "summaries": [[s] for s in train["summary"]]})


def test_folds_are_of_like_sizes_and_summary_lengths(sample):
    folds = pd.Series(assign_folds(sample, 5, seed=1))
    sizes = folds.value_counts()
    assert sorted(sizes.index) == [0, 1, 2, 3, 4]
    assert sizes.max() - sizes.min() <= 5
    lengths = pd.Series([len(many[0]) for many in sample["summaries"]])
    by_fold = lengths.groupby(folds).mean()
    # folds drawn without strata differ by 1.0 and more
    assert by_fold.max() - by_fold.min() < 0.4


def test_near_copies_never_stand_on_two_sides(sample):
    copies = sample.head(60).assign(text=[f"[속보] {text} 끝." for text in sample["text"].head(60)])
    sample = pd.concat([sample, copies], ignore_index=True)
    groups = group_near_copies(list(sample["text"]))
    assert len(set(groups)) == len(groups) - 60
    folds = assign_folds(sample, 5, seed=1)
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))


def test_seed_decides_and_repeats(sample):
    sample = sample.head(60)
    assert assign_folds(sample, 5, seed=1) == assign_folds(sample, 5, seed=1) != assign_folds(sample, 5, seed=2)


def test_every_document_is_validated_on_in_one_fold(sample, make_params):
    seen = []
    for fold in range(3):
        params = make_params(**{"preprocess.folds": 3, "preprocess.fold": fold}).preprocess
        train, valid = split_examples(sample, params, None, 42)
        assert len(train) + len(valid) == len(sample)
        seen += valid["id"].tolist()
    assert sorted(seen) == sorted(sample["id"])


def test_more_folds_than_documents_are_refused():
    with pytest.raises(ValueError, match="3 folds need as many documents that are no near-copies; there are 2"):
        assign_folds(build_examples([TEXT, TEXT, "다른 글이다."]), 3, 0)


def test_fold_that_does_not_exist_is_refused(make_params):
    from pipeline.errors import InputError

    with pytest.raises(InputError, match=r"preprocess\.fold: 5 is not one of 5 folds"):
        make_params(**{"preprocess.folds": 5, "preprocess.fold": 5})
