"""Rebalanced encoding: sure pairs become one token, and every text still comes back."""

import pytest

from pipeline.models.rebalance import find_high_inflow
from pipeline.models.tokenizer import build_bpe_tokenizer

TEXTS = [f"{i}일 시장은 “좋다”고 말했다. 시민도 “{i}점”이라고 말했다. {i}명이 왔다고 말했다." for i in range(200)]


def test_pairs_are_those_that_counting_by_hand_finds():
    sequences = [[0, 1, 0, 1, 2], [0, 1, 2, 1], [3], []]
    # 0 goes to 1 three times of three, 1 to 2 twice and to 0 once, 2 to 1 once; each count and one more, over the sum and 4
    expected = {(0, 1): 4 / 7, (1, 2): 3 / 7, (2, 1): 2 / 5, (1, 0): 2 / 7}
    for threshold in (0.2, 0.35, 0.41, 0.5, 0.9):
        found = find_high_inflow(sequences, 4, threshold)
        assert found == [pair for pair, p in expected.items() if p > threshold]


@pytest.mark.parametrize("threshold", [0.05, 0.3])
def test_texts_are_shorter_come_back_and_digits_stay_alone(threshold):
    plain, merged = build_bpe_tokenizer(TEXTS, 320, 128), build_bpe_tokenizer(TEXTS, 320, 128, threshold)
    count = [sum(map(len, tokenizer(TEXTS)["input_ids"])) for tokenizer in (plain, merged)]
    assert count[1] < count[0]
    assert len(merged) > len(plain)
    assert all(
        merged.decode(merged(text)["input_ids"]) == text for text in [*TEXTS[:20], "새 글이다.\n한 줄 더 1 2 34 “셋”"]
    )
    # over the border of a word, and never over a digit
    pieces = [merged.decode([i]) for i in range(len(plain), len(merged))]
    assert any(" " in piece.strip() or "”" in piece[:-1] for piece in pieces)
    assert not any(piece.isdigit() or any(c.isdigit() for c in piece) for piece in pieces)
    assert merged.decode(merged("<|endoftext|>")["input_ids"]) == "<|endoftext|>"


def test_where_no_pair_is_so_sure_nothing_changes():
    assert build_bpe_tokenizer(TEXTS, 320, 128, 0.999).get_vocab() == build_bpe_tokenizer(TEXTS, 320, 128).get_vocab()
