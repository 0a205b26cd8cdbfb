"""Which texts hold an n-gram: stable hashes, and an index that stays small."""

import os
import subprocess
import sys
import tracemalloc

import pandas as pd
import pytest
from builders import ROOT

from pipeline.competition import ngrams
from pipeline.competition.arrow import Texts
from pipeline.competition.ngrams import NgramIndex, compute_share, hash_ngrams
from pipeline.competition.overlap import compute_overlaps
from pipeline.competition.splits import group_near_copies


@pytest.fixture(scope="module")
def texts():
    return list(pd.read_csv(ROOT / "data/sample/train.csv")["text"].head(300))


def list_ngrams(text):
    squeezed = "".join(text.split())
    return {squeezed[i : i + 5] for i in range(max(len(squeezed) - 4, 1))}


def test_every_distinct_ngram_has_its_own_hash_in_whatever_text(texts):
    texts = [*texts, "", " \n", "가", "가나", "가 나", "가나다라", "가나다라마", "🙂" * 9, "🙂🙃" * 5]
    hashes, seen = {}, 0
    for text, found in zip(texts, hash_ngrams(texts), strict=True):
        grams = list_ngrams(text)
        assert len(found) == len(grams)
        for gram in grams:
            (one,) = next(hash_ngrams([gram]))
            assert one in found
            assert hashes.setdefault(gram, one) == one
        seen += len(grams)
    assert len(set(hashes.values())) == len(hashes) < seen


def test_hashes_do_not_change_with_the_process(texts):
    code = "from pipeline.competition.ngrams import hash_ngrams; print([g.tolist() for g in hash_ngrams(['가나다라마바', '사'])])"
    outs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert outs == {f"{[grams.tolist() for grams in hash_ngrams(['가나다라마바', '사'])]}\n"}


def test_index_gives_the_texts_of_each_ngram(texts):
    index = NgramIndex(texts, "")
    assert index.skipped == 0
    (grams,) = hash_ngrams([texts[7]])
    starts, ends = index.find(grams)
    numbers, counts = index.count_texts(starts, ends)
    ours = list_ngrams(texts[7])
    expected = {n: len(ours & list_ngrams(text)) for n, text in enumerate(texts)}
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == {n: c for n, c in expected.items() if c}
    assert numbers[0] == 7
    assert sorted(counts, reverse=True) == counts.tolist()
    before, _ = index.count_texts(starts, index.find_before(grams, 100))
    assert sorted(before.tolist()) == sorted(n for n, c in expected.items() if c and n < 100)


def test_texts_that_hold_nothing_else_are_found(texts):
    index = NgramIndex([*texts, ""], "")
    for text, holders in (("", [300]), ("한", []), ("\t", [300])):
        (grams,) = hash_ngrams([text])
        assert index.count_texts(*index.find(grams))[0].tolist() == holders
    (grams,) = hash_ngrams(["가나다라마"])
    assert NgramIndex([], "").count_texts(*NgramIndex([], "").find(grams))[0].tolist() == []


def test_above_its_limit_the_index_holds_the_same_part_of_every_text(texts, monkeypatch):
    whole = len(NgramIndex(texts, "")._entries)
    monkeypatch.setattr(ngrams, "LIMIT", sum(map(len, texts)) // 7)
    index = NgramIndex(texts, "")
    # a fourth is still above the limit
    assert index.skipped == 3
    assert len(index._entries) == pytest.approx(whole / 8, rel=0.1)
    (grams,) = hash_ngrams([texts[7]], index.skipped)
    (all_grams,) = hash_ngrams([texts[7]])
    assert compute_share(grams, all_grams) == 1
    numbers, counts = index.count_texts(*index.find(grams))
    assert (numbers[0], counts[0]) == (7, len(grams))


def test_batches_do_not_change_the_hashes(texts, monkeypatch):
    texts = [*texts[:9], "", "가" * 5000, "나"]
    expected = [grams.tolist() for grams in hash_ngrams(texts)]
    for size in (1, 700, 1500):
        monkeypatch.setattr(ngrams, "_BATCH", size)
        assert [grams.tolist() for grams in hash_ngrams(texts)] == expected


@pytest.mark.slow  # six seconds of texts
def test_memory_does_not_grow_with_the_number_of_texts(texts, monkeypatch):
    monkeypatch.setattr(ngrams, "LIMIT", 20_000)
    monkeypatch.setattr(ngrams, "_BATCH", 5_000)
    compute_overlaps(texts, {"test": texts})
    many = Texts(f"{n} {text}" for n in range(8) for text in texts)
    tracemalloc.start()
    compute_overlaps(many, {"test": texts})
    group_near_copies(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # some hundred bytes a text; one object an n-gram would be 30,000
    assert peak < 500 * len(many)


@pytest.mark.parametrize(("size", "skipped"), [(5, 0), (8, 0), (9, 1), (16, 1), (17, 2), (32, 2), (33, 3)])
def test_part_is_the_largest_power_of_two_under_the_limit(size, skipped, monkeypatch):
    monkeypatch.setattr(ngrams, "LIMIT", 8)
    assert NgramIndex(["가" * size], "").skipped == skipped
