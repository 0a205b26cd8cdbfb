"""Near duplicates: every pair that is one, against comparing all with all; and none that is not."""

import random
import tracemalloc
from functools import cache

import pandas as pd
import pytest
from builders import ROOT

from pipeline.competition import ngrams
from pipeline.competition.cleaning import near_duplicates
from pipeline.competition.cleaning.near_duplicates import NearCopy, find_near_copies, find_near_duplicates
from pipeline.competition.ngrams import NEAR_COPY


@cache
def list_ngrams(text):
    squeezed = "".join(text.split()).ljust(5)
    return {squeezed[i : i + 5] for i in range(len(squeezed) - 4)}


def compare(text, other):
    ours, theirs = list_ngrams(text), list_ngrams(other)
    shared = len(ours & theirs)
    return shared / (len(ours) + len(theirs) - shared)


@pytest.fixture(scope="module")
def texts():
    """Two hundred documents, two in five of them damaged more or less."""
    rng = random.Random(3)
    texts = list(pd.read_csv(ROOT / "data/sample/train.csv")["text"].head(120))
    for _ in range(80):
        words = rng.choice(texts).split()
        for _ in range(rng.randrange(6)):
            words[rng.randrange(len(words))] = f"{rng.randrange(10_000)}번째"
        texts.append(" ".join(words))
    rng.shuffle(texts)
    return texts


def test_near_duplicates_are_those_of_all_pairs(texts):
    kept, expected = [], {}
    for number, text in enumerate(texts):
        shares = {other: compare(text, texts[other]) for other in kept}
        best = max(shares, key=shares.__getitem__, default=None)
        if best is not None and shares[best] >= NEAR_COPY:
            expected[number] = shares[best]
        else:
            kept.append(number)
    found = {copy.number: copy for copy in find_near_duplicates(texts)}
    assert set(found) == set(expected)
    assert 20 < len(found) < 80
    for copy in found.values():
        assert copy.share == pytest.approx(compare(texts[copy.number], texts[copy.of]))
        assert copy.share >= NEAR_COPY
        assert copy.of < copy.number
        assert copy.of not in found


def test_near_copies_of_known_texts_are_those_of_all_pairs(texts):
    texts, known = texts[:100], texts[100:]
    found = find_near_copies(texts, known)
    expected = [n for n, text in enumerate(texts) if any(compare(text, other) >= NEAR_COPY for other in known)]
    assert [copy.number for copy in found] == expected
    assert all(copy.share == pytest.approx(compare(texts[copy.number], known[copy.of])) for copy in found)
    # each other's copies are none of what is known
    assert find_near_copies(texts[:20] * 2, known[:1]) == []


def test_all_copies_of_one_text_are_found_however_many(texts):
    copies = [f"{texts[0]} {number}" for number in range(200)]
    assert [copy.of for copy in find_near_duplicates(copies)] == [0] * 199


def test_short_and_empty_texts_are_compared_whole():
    assert find_near_duplicates(["가", "나", "", "가", "가 "]) == [NearCopy(3, 0, 1.0), NearCopy(4, 0, 1.0)]
    assert find_near_duplicates([]) == find_near_copies([], ["가"]) == find_near_copies(["가"], []) == []


def test_chance_has_no_part_in_it(texts):
    assert find_near_duplicates(texts) == find_near_duplicates(texts)


def test_memory_is_some_hundred_bytes_a_text(texts, monkeypatch):
    monkeypatch.setattr(ngrams, "_BATCH", 5_000)
    find_near_duplicates(texts[:9])
    many = [f"{number} {text}" for number in range(4) for text in texts]
    tracemalloc.start()
    assert len(find_near_duplicates(many)) > len(many) / 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 21 bands of 12 bytes a text, and what sorting one needs; signatures alone would be 504, n-grams 1,200
    assert peak < 600 * len(many) + 2**18


def test_text_made_of_set_phrases_is_left_after_some_comparisons(texts, monkeypatch):
    compared = []
    monkeypatch.setattr(near_duplicates, "compute_jaccard", lambda ours, theirs: compared.append(1) or 0.0)
    alike = [f"{texts[0]} {number}" for number in range(100)]
    assert find_near_duplicates(alike) == []
    # of 4,950 pairs
    assert 0 < len(compared) <= 20 * len(alike)
