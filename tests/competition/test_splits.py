"""Validation and folds: near-copies together, every document once, like sizes and lengths."""

import random

import pandas as pd
import pytest
from builders import ROOT

from pipeline.competition import ngrams, splits
from pipeline.competition.ngrams import NEAR_COPY
from pipeline.competition.overlap import compute_overlaps
from pipeline.competition.splits import assign_folds, draw_documents, group_near_copies, split_examples

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


def list_ngrams(text):
    squeezed = "".join(text.split())
    return {squeezed[i : i + 5] for i in range(max(len(squeezed) - 4, 1))}


def group_all_pairs(texts):
    """The oracle: every text with every other."""
    grams, groups = [list_ngrams(text) for text in texts], list(range(len(texts)))
    for i, ours in enumerate(grams):
        for j, theirs in enumerate(grams[:i]):
            if len(ours & theirs) >= NEAR_COPY * min(len(ours), len(theirs)) and groups[i] != groups[j]:
                old = groups[i]
                groups = [groups[j] if group == old else group for group in groups]
    return groups


def list_partition(groups):
    return {frozenset(place for place, other in enumerate(groups) if other == group) for group in groups}


def damage(text, rng):
    words = text.split()
    for _ in range(rng.randrange(4)):
        words[rng.randrange(len(words))] = f"{rng.randrange(10_000)}번째"
    return " ".join(words[rng.randrange(3) :])


@pytest.fixture
def copies(sample):
    """80 documents, and 120 that one way or another come from them."""
    rng = random.Random(3)
    texts = list(sample["text"].head(80))
    for _ in range(120):
        texts.append(damage(rng.choice(texts), rng))
    # an excerpt stands in many longer documents that else are no near-copies of each other
    return [*texts, *(f"{texts[0]} {texts[i]} {texts[i + 20]}" for i in range(1, 16))]


def test_groups_are_those_of_all_pairs(copies):
    groups = group_near_copies(copies)
    assert list_partition(groups) == list_partition(group_all_pairs(copies))
    assert 20 < len(set(groups)) < 80


def test_a_text_that_repeats_itself_is_found_in_a_shorter_one(copies):
    refrain = "가나다라마바사아자차카타"
    groups = group_near_copies([*copies, refrain * 20, f"{refrain * 2} {TEXT}"])
    assert groups[-1] == groups[-2] not in groups[:-2]


def test_groups_do_not_depend_on_the_order(copies):
    order = random.Random(1).sample(range(len(copies)), len(copies))
    groups = group_near_copies([copies[place] for place in order])
    back = [group for _, group in sorted(zip(order, groups, strict=True))]
    assert list_partition(back) == list_partition(group_near_copies(copies))


def test_more_copies_than_an_ngram_may_have_texts_are_still_a_group(copies, monkeypatch):
    monkeypatch.setattr(splits, "COMMON", 5)
    report = "오늘의 날씨: 전국이 대체로 맑겠고 낮 기온은 {0}도까지 오르겠으며 바다의 물결은 {1} 미터 안팎으로 일겠다고 기상청이 예보했다."
    reports = [report.format(n, n % 7) for n in range(40)]
    groups = group_near_copies([*copies, *reports])
    assert len(set(groups[len(copies) :])) == 1


def test_of_many_texts_a_part_of_the_ngrams_finds_the_groups(copies, monkeypatch):
    expected = list_partition(group_near_copies(copies))
    monkeypatch.setattr(ngrams, "LIMIT", sum(map(len, copies)) // 4)
    assert list_partition(group_near_copies(copies)) == expected


def build_families(sizes):
    """Groups of near-copies of so many documents each, of different texts."""
    rng = random.Random(0)
    words = ["".join(rng.choices("가나다라마바사아자차카타파하", k=3)) for _ in range(3000)]
    families = [" ".join(words[30 * i : 30 * i + 30]) for i in range(len(sizes))]
    return [f"{text} {n}" for text, size in zip(families, sizes, strict=True) for n in range(size)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("sizes", [[1] * 40, [5] * 8, [20, *[1] * 20], [3, 2, 1] * 7, [12, 10, 8, 6, 4], [2] * 3])
@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.5, 0.75])
def test_no_near_copy_of_a_validation_document_trains(sizes, fraction, seed):
    texts = build_families(sizes)
    held_out = draw_documents(texts, fraction, random.Random(seed))
    train, valid = ([text for text in texts if (text in held_out) == side] for side in (False, True))
    assert train
    assert valid
    assert compute_overlaps(train, {"valid": valid})["valid"]["near_copies"] == 0
    # as near as whole groups come
    assert abs(len(valid) - fraction * len(texts)) <= max(min(sizes), max(sizes) / 2)


def test_validation_is_drawn_whatever_the_order_of_the_file():
    texts = build_families([3, 2, 1] * 7)
    first, again, other = (
        draw_documents(texts[::step], 0.2, random.Random(seed)) for step, seed in ((1, 1), (-1, 1), (1, 2))
    )
    assert first == again != other


def test_near_copies_count_as_one_document():
    with pytest.raises(ValueError, match="at least two different documents; near-copies count as one"):
        draw_documents(build_families([4]), 0.5, random.Random(0))


def test_validation_of_documents_without_near_copies_is_drawn_document_by_document(sample):
    documents = sorted(sample["text"])
    assert draw_documents(documents, 0.1, random.Random(42)) == set(random.Random(42).sample(documents, 30))


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


def test_every_document_is_validated_on_in_one_fold(sample):
    seen = []
    for fold in range(3):
        train, valid = split_examples(sample, 0.5, (fold, 3), None, 42)
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
