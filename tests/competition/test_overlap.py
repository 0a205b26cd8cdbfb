"""What of a text stands in others."""

import random
import re
from collections import Counter

import pandas as pd
import pytest
from builders import ROOT

from pipeline.competition.ngrams import COMMON, NEAR_COPY
from pipeline.competition.overlap import compute_overlaps
from pipeline.competition.word_overlap import OVERLAPPING, compute_known_words, compute_word_overlap

A = "서울시는 오늘 한강공원에서 시민들이 함께하는 가을 축제를 열었다고 밝혔다."
B = "부산항의 컨테이너 물동량이 지난해보다 크게 늘었다고 항만공사가 전했다."


def compute_overlap(train, other):
    return compute_overlaps(train, {"test": other})["test"]


def list_ngrams(text):
    squeezed = "".join(text.split())
    return {squeezed[i : i + 5] for i in range(max(len(squeezed) - 4, 1))}


def compute_overlap_of_sets(train, other, common=COMMON):
    """The oracle: sets of strings, and a counter a document."""
    train_grams = [list_ngrams(text) for text in train]
    seen, source = set().union(*train_grams), {}
    for number, grams in enumerate(train_grams):
        for gram in grams:
            source.setdefault(gram, []).append(number)
    near, shares = 0, []
    for grams in map(list_ngrams, other):
        shares.append(len(grams & seen) / len(grams))
        shared = Counter(n for g in grams if len(source.get(g, ())) <= common for n in source.get(g, ()))
        best = sorted(shared, key=lambda number: (-shared[number], number))[:3]
        near += any(len(grams & train_grams[number]) >= NEAR_COPY * len(grams) for number in best)
    share = round(sum(shares) / max(len(shares), 1), 4)
    return {"exact_copies": sum(map(set(train).__contains__, other)), "near_copies": near, "ngram_share": share}


def test_figures_of_the_sample_are_those_of_sets():
    train, test = (list(pd.read_csv(ROOT / f"data/sample/{name}.csv")["text"]) for name in ("train", "test"))
    overlap = compute_overlap(train, test)
    assert overlap == compute_overlap_of_sets(train, test)
    assert overlap["near_copies"] == 5


@pytest.mark.parametrize("seed", range(20))
def test_figures_of_damaged_copies_are_those_of_sets(seed, monkeypatch):
    rng = random.Random(seed)
    monkeypatch.setattr("pipeline.competition.overlap.COMMON", 12)
    train = ["".join(rng.choices("가나다라 ", k=rng.randrange(120))) for _ in range(60)]
    other = []
    for _ in range(40):
        text = list(rng.choice(train))
        for _ in range(rng.randrange(6)):
            text.insert(rng.randrange(len(text) + 1), rng.choice("마바사 "))
        other.append("".join(text))
    overlap = compute_overlap(train, other)
    assert overlap == compute_overlap_of_sets(train, other, 12)
    assert 0 < overlap["near_copies"] < 40


def test_overlap_of_unrelated_documents_is_nothing():
    assert compute_overlap([A], [B]) == {"exact_copies": 0, "near_copies": 0, "ngram_share": 0.0}


def test_exact_copies_are_counted():
    overlap = compute_overlap([A, B], [A, A, "전혀 다른 글 하나"])
    assert overlap["exact_copies"] == 2
    assert overlap["ngram_share"] == round(2 / 3, 4)


@pytest.mark.parametrize(
    ("other", "near"),
    [
        (A + " 끝.", 1),
        (A.replace("밝혔다", "말했다"), 1),
        (A.replace(" ", "  "), 1),
        (A[: len(A) // 2], 1),  # an excerpt stands in the document whole
        (A[: len(A) // 2] + B[len(B) // 2 :], 0),  # half of each is a copy of neither
        (B, 0),
    ],
)
def test_near_copies_of_one_document_are_counted(other, near):
    overlap = compute_overlap([A, "첫째 글은 아주 짧다."], [other])
    assert overlap["exact_copies"] == 0
    assert overlap["near_copies"] == near


def test_parts_of_two_documents_are_no_near_copy_but_are_known():
    mixed = A[: len(A) // 2] + B[len(B) // 2 :]
    overlap = compute_overlap([A, B], [mixed])
    assert overlap["near_copies"] == 0
    assert overlap["ngram_share"] > 0.8


def test_near_copy_is_found_although_its_rarest_words_stand_elsewhere():
    # the source stands twice in train, so each of its n-grams is commoner than those of the words taken from B
    source = "강릉과 광주는 예산을, 대전과 여수는 교통을, 전주와 춘천은 하천을, 제주와 목포는 항구를 두고 다투었으나 "
    source += "행정안전부가 중재에 나서면서 석 달 만에 모두 합의에 이르렀고 주민 설명회도 차례로 열릴 예정이라고 한다. "
    source += (
        "전문가들은 이런 갈등이 해마다 되풀이되는 까닭으로 낡은 재정 배분 공식과 좁은 협의 창구를 꼽으며 손질을 권했다."
    )
    other = f"{source} {B}"
    assert compute_overlap([source], [other])["ngram_share"] >= 0.8
    assert compute_overlap([source, source + " 끝.", B], [other])["near_copies"] == 1


def test_documents_shorter_than_an_ngram_are_compared_whole():
    assert compute_overlap(["가나"], ["가나", "다라"]) == {"exact_copies": 1, "near_copies": 1, "ngram_share": 0.5}


def test_overlap_with_no_documents_is_zero():
    assert compute_overlap([A], []) == {"exact_copies": 0, "near_copies": 0, "ngram_share": 0.0}


def test_common_ngrams_point_at_nobody_and_three_documents_are_looked_at(monkeypatch):
    monkeypatch.setattr("pipeline.competition.overlap.COMMON", 3)
    phrase, rest = A + A[::-1], B[:16]
    # the phrase is common; two documents hold all of the rest, a third the phrase and half of the rest
    train = [f"{phrase} {end}" for end in "가나다라"] + [f"{rest} {end}" for end in "마바"] + [phrase + rest[:8]]
    for number, near in ((7, 1), (6, 0)):
        overlap = compute_overlap(train[:number], [phrase + rest])
        assert overlap == compute_overlap_of_sets(train[:number], [phrase + rest], 3)
        assert overlap["near_copies"] == near


def test_of_a_large_training_set_a_sample_of_ngrams_is_looked_at(monkeypatch):
    train, test = (list(pd.read_csv(ROOT / f"data/sample/{name}.csv")["text"]) for name in ("train", "test"))
    train, test = [*train, *test[:20]], [*test[:5], *(f"속보, {text} 끝." for text in test)]
    whole = compute_overlap(train, test)
    monkeypatch.setattr("pipeline.competition.ngrams.LIMIT", 100_000)
    part = compute_overlap(train, test)
    assert part["exact_copies"] == whole["exact_copies"] == 5
    assert part["near_copies"] == whole["near_copies"] > 25
    assert part["ngram_share"] == pytest.approx(whole["ngram_share"], abs=0.02)
    assert part["ngram_share"] != whole["ngram_share"]


def list_word_ngrams(text):
    words = re.findall(r"[^\W_]+", text.lower())
    return [" ".join(words[i : i + 8]) for i in range(len(words) - 7)]


def compute_shares_of_sets(texts, others):
    """The oracle: for each text its number of distinct 8-grams, the share that is known, and the first that is."""
    known = {gram for text in others for gram in list_word_ngrams(text)}
    for grams in map(list_word_ngrams, texts):
        shared = set(grams) & known
        yield len(set(grams)), len(shared) / max(len(set(grams)), 1), next((g for g in grams if g in known), None)


@pytest.mark.parametrize("batch", [2**19, 300])
def test_known_words_are_those_of_sets(monkeypatch, batch):
    monkeypatch.setattr("pipeline.competition.ngrams._BATCH", batch)
    train, test = (list(pd.read_csv(ROOT / f"data/sample/{name}.csv")["text"]) for name in ("train", "test"))
    train = train[:400]
    groups = {
        "near": [f"속보, {text} 끝." for text in train[:5]],
        "none": ["", "일곱 낱말 로는 한 번도 되지 않는다"],
        "test": test[:90],
    }
    found = compute_known_words(groups, iter(train), "")
    for name, texts in groups.items():
        counts, shares, first = zip(*compute_shares_of_sets(texts, train), strict=True)
        assert found[name].counts.tolist() == list(counts)
        assert found[name].shares.tolist() == pytest.approx(list(shares))
        assert [worst.share for worst in found[name].worst] == sorted(filter(None, shares), reverse=True)[:10]
        assert {worst.number: worst.first for worst in found[name].worst}.items() <= dict(enumerate(first)).items()
    assert {worst.number: worst.source for worst in found["near"].worst} == {n: n for n in range(5)}
    assert 0 < found["test"].shares.mean() < 0.5


def test_of_many_known_words_a_sample_is_looked_at(monkeypatch):
    train, test = (list(pd.read_csv(ROOT / f"data/sample/{name}.csv")["text"]) for name in ("train", "test"))
    half = [f"{a} {b}" for a, b in zip(train[:200], test[:200], strict=True)]
    monkeypatch.setattr("pipeline.competition.ngrams.LIMIT", 8000)
    known = compute_known_words({"half": half}, train, "")["half"]
    assert 3000 < known.counts.sum() < 8000
    counts, shares, _ = zip(*compute_shares_of_sets(half, train), strict=True)
    whole = sum(c * s for c, s in zip(counts, shares, strict=True)) / sum(counts)
    assert (known.counts * known.shares).sum() / known.counts.sum() == pytest.approx(whole, abs=0.03)
    assert all(worst.first in list_word_ngrams(half[worst.number]) for worst in known.worst)


def build_labelled(prefix, *rows):
    frame = pd.DataFrame({"text": [text for text, *_ in rows], "summaries": [many for _, *many in rows]})
    return frame.assign(id=[f"{prefix}{i}" for i in range(len(rows))])


def test_word_overlap_names_rows_pairs_and_what_overlaps():
    words = [f"낱말{i}" for i in range(40)]
    text, summary = " ".join(words[:20]), " ".join(words[20:30])
    train = build_labelled("t", ("하나", "둘"), (text, "셋", summary))
    valid = build_labelled(
        "v",
        (f"앞 {text}", "요약"),  # 13 of 14
        (" ".join(words[:14]) + " 가 나 다 라 마 바 사", "요약"),  # 7 of 14
        ("본문", summary.upper() + "!", "요약"),
        ("본문", " ".join(words[30:])),
    )
    splits = {"train": train, "valid": valid, "test": build_labelled("x", (text, ""), ("본문", ""))[["id", "text"]]}
    overlap = compute_word_overlap(splits, [])
    assert overlap["train"]["valid"]["worst"] == [
        {"id": "v0", "copy_of": "t1", "share": round(13 / 14, 4), "first": " ".join(words[:8])},
        {"id": "v1", "copy_of": "t1", "share": 0.5, "first": " ".join(words[:8])},
    ]
    assert overlap["train"]["valid"] | {"worst": []} == {"texts": 2, "ngram_share": round(20 / 28, 4), "worst": []}
    assert [pair["id"] for pair in overlap["train"]["valid_summaries"]["worst"]] == ["v2"]
    assert [pair["id"] for pair in overlap["train"]["test"]["worst"]] == ["x0"]
    assert overlap["pretraining"] is None
    assert (overlap["bound"], overlap["overlapping"]) == (OVERLAPPING, {"v0": round(13 / 14, 4), "v2": 1.0})
    more = compute_word_overlap(splits, [" ".join(words[29:])])
    assert more["overlapping"] == {**overlap["overlapping"], "v3": 1.0}
    assert more["pretraining"]["valid_summaries"]["worst"] == [
        {"id": "v3", "share": 1.0, "first": " ".join(words[30:38])}
    ]
    assert more["train"] == overlap["train"]
