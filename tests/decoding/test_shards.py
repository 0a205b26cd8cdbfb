"""Shares of documents, and that their parts make the whole. Real processes: tests/test_train.py."""

from collections import Counter

import pandas as pd
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.grid import decode_grid
from pipeline.decoding.shards import decode_in_shards, join_parts, take_share
from pipeline.params.grid import Configuration

IDS = ["b", "a", "d", "c", "e"]
PROMPTS = [[5, 6, 7], [9] * 14, [3], [8, 8, 7, 6], [2, 4]]
GRID = [
    Configuration("sample", {"max_new_tokens": 6, "do_sample": True, "num_return_sequences": 3}),
    Configuration("beam", {"max_new_tokens": 6, "num_beams": 3, "num_return_sequences": 2}),
    Configuration("greedy", {"max_new_tokens": 6}),
]


def test_every_document_is_taken_once_and_long_ones_by_turns():
    shares = [take_share(PROMPTS, rank, 2) for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == [0, 1, 2, 3, 4]
    assert [len(PROMPTS[n]) for n in shares[0]] == [14, 3, 1]
    # more processes than documents: some have nothing to do
    assert [len(take_share(PROMPTS[:2], rank, 3)) for rank in range(3)] == [1, 1, 0]


def test_parts_of_several_processes_are_what_one_decodes(tokenizer):
    decoder = Decoder(build_tiny_model("llama", len(tokenizer)), tokenizer, 2, seed=3)
    whole, effort = decode_in_shards(decoder, IDS, PROMPTS, GRID)
    for processes in (2, 7):
        parts = []
        for rank in range(processes):
            own = take_share(PROMPTS, rank, processes)
            parts.append(decode_grid(decoder, [IDS[n] for n in own], [PROMPTS[n] for n in own], GRID))
        joined, added = join_parts(parts, IDS, GRID)
        pd.testing.assert_frame_equal(joined, whole)
        assert added.wanted_rows == effort.wanted_rows
        assert list(added.seconds) == list(effort.seconds)


def test_what_was_not_asked_for_has_no_place():
    table = pd.DataFrame({"id": ["a", "a"], "configuration": ["greedy", "dropped"], "candidate": [0, 0]})
    joined, effort = join_parts([(table, Effort(Counter(greedy=1.0), 2, 3))], IDS, GRID)
    assert joined["configuration"].tolist() == ["greedy"]
    assert (effort.rows, effort.wanted_rows, effort.seconds) == (2, 3, {"greedy": 1.0})
