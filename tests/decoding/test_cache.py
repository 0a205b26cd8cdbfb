"""Candidates are remembered, and never trusted blindly."""

import sqlite3

import pandas as pd
import pytest
from builders import build_tiny_model

from pipeline.decoding import engine as engine_module
from pipeline.decoding.beam import Candidate
from pipeline.decoding.cache import CandidateCache
from pipeline.decoding.decoder import Decoder
from pipeline.decoding.grid import decode_grid
from pipeline.params.grid import Configuration

GRID = [
    Configuration("greedy", {"max_new_tokens": 6}),
    Configuration("beam", {"max_new_tokens": 6, "num_beams": 2, "num_return_sequences": 2}),
    Configuration("sample", {"max_new_tokens": 6, "do_sample": True}),
]
IDS, PROMPTS = ["a", "b", "c"], [[5, 6, 7], [8, 9], [10, 11, 12, 13]]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """An empty scratch root."""
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path))
    return tmp_path / "candidates"


@pytest.fixture(scope="module")
def model(tokenizer):
    """A tiny model for the tokenizer."""
    return build_tiny_model("gpt2", len(tokenizer))


@pytest.fixture
def steps(monkeypatch):
    """The number of rows of each step that the engine takes."""
    seen = []
    original = engine_module.Backbone.step

    def step(self, tokens, documents, lengths):
        if self.cache.capacity > 4:  # longer than the trial that looks whether the model is served
            seen.append(len(tokens))
        return original(self, tokens, documents, lengths)

    monkeypatch.setattr(engine_module.Backbone, "step", step)
    return seen


def build_decoder(model, tokenizer, fingerprint="m", seed=0):
    return Decoder(model, tokenizer, 3, seed, "auto", fingerprint)


def test_second_decoding_computes_nothing_and_gives_the_same(scratch, model, tokenizer, steps):
    first, effort = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    assert steps
    assert min(effort.seconds.values()) > 0
    assert effort.spent == pytest.approx(sum(effort.seconds.values()))
    assert effort.tokens == first["tokens"].sum()
    assert 0 < effort.rows < effort.wanted_rows
    steps.clear()
    again, second = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    pd.testing.assert_frame_equal(first, again)
    assert steps == []
    # what a configuration took is remembered with what it wrote
    assert second.seconds == pytest.approx(effort.seconds, abs=1e-4)
    assert (second.spent, second.tokens, second.wanted_rows) == (0.0, 0, 0)


def test_new_configuration_and_new_document_decode_only_themselves(scratch, model, tokenizer, steps):
    decode_grid(build_decoder(model, tokenizer), IDS[:2], PROMPTS[:2], GRID[:1])
    steps.clear()
    table, effort = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID[:1])
    assert set(steps) == {1}
    assert effort.tokens == table.loc[table["id"] == IDS[2], "tokens"].sum()
    assert 0 < effort.spent < effort.seconds["greedy"]
    plain, _ = decode_grid(build_decoder(model, tokenizer, None), IDS, PROMPTS, GRID[:1])
    pd.testing.assert_frame_equal(table, plain)


def test_killed_decoding_goes_on_and_ends_in_the_same(scratch, model, tokenizer, steps, monkeypatch):
    expected, _ = decode_grid(build_decoder(model, tokenizer, None), IDS, PROMPTS, GRID)
    monkeypatch.setattr("pipeline.decoding.cache.WRITE_SECONDS", 0.0)
    original = engine_module.SharedPrefixEngine.decode

    def die(self, documents):
        for number, result in enumerate(original(self, documents)):
            if number == 5:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(engine_module.SharedPrefixEngine, "decode", die)
    with pytest.raises(KeyboardInterrupt):
        decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    monkeypatch.setattr(engine_module.SharedPrefixEngine, "decode", original)
    whole = sum(steps)
    steps.clear()
    table, _ = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    pd.testing.assert_frame_equal(table, expected)
    assert 0 < sum(steps) < whole


def test_generate_asked_for_by_name_is_not_answered_from_the_engines_memory(scratch, model, tokenizer):
    decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    forced = Decoder(model, tokenizer, 3, 0, "generate", "m")
    assert all(decode_grid(forced, IDS, PROMPTS, GRID[:2])[1].seconds.values())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE candidates SET content = '[[[1, 2], null]]'",
        "UPDATE candidates SET content = NULL",
        "UPDATE candidates SET content = 'no json'",
        "UPDATE candidates SET checksum = 'x'",
        # another key's content, whole and well-formed
        "UPDATE candidates SET (content, checksum) = (SELECT content, checksum FROM candidates LIMIT 1)",
        "DROP TABLE candidates",
        "ALTER TABLE candidates DROP COLUMN checksum",
    ],
)
def test_entries_that_were_tampered_with_are_decoded_again(scratch, model, tokenizer, statement):
    expected, _ = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    (path,) = scratch.iterdir()
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    table, _ = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 99, None])
def test_file_that_is_no_cache_is_replaced(scratch, model, tokenizer, steps, content):
    expected, _ = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    (path,) = scratch.iterdir()
    path.write_bytes(path.read_bytes()[:1000] if content is None else content)
    for _ in range(2):
        steps.clear()
        table, _ = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
        pd.testing.assert_frame_equal(table, expected)
    # and the new file remembers
    assert steps == []


def test_scratch_that_cannot_be_written_costs_only_the_memory(tmp_path, monkeypatch, model, tokenizer):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path / "file"))
    table, _ = decode_grid(build_decoder(model, tokenizer), IDS, PROMPTS, GRID)
    assert len(table) == 12


def test_key_is_of_all_that_shapes_a_candidate_and_of_nothing_else(scratch):
    greedy, drawn = {"max_new_tokens": 6}, {"max_new_tokens": 6, "do_sample": True}
    cache, other, seeded = CandidateCache("m", 0), CandidateCache("n", 0), CandidateCache("m", 1)
    keys = [
        cache.build_key("a", [5, 6], greedy),
        cache.build_key("a", [5, 7], greedy),
        cache.build_key("a", [5, 6], {"max_new_tokens": 7}),
        other.build_key("a", [5, 6], greedy),
        cache.build_key("a", [5, 6], drawn),
        cache.build_key("b", [5, 6], drawn),
        seeded.build_key("a", [5, 6], drawn),
    ]
    assert len(set(keys)) == len(keys)
    assert cache.build_key("b", [5, 6], greedy) == keys[0] == seeded.build_key("a", [5, 6], greedy)


def test_scores_and_tokens_come_back_as_they_were(scratch):
    candidates = [Candidate([1, 2, 3], -0.1234567890123), Candidate([], None)]
    with CandidateCache("m", 0) as cache:
        cache.save("k", candidates)
    assert CandidateCache("m", 0).load("k") == candidates
    assert CandidateCache("other", 0).load("k") is None
    assert CandidateCache(None, 0).load("k") is None


def test_file_of_which_sqlite_cannot_tell_what_is_wrong_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path))
    kept = [Candidate([1, 2, 3], -0.5)]
    with CandidateCache("model", 0) as cache:
        cache.save("key", kept)
    (path,) = (tmp_path / "candidates").iterdir()
    content = path.read_bytes().replace(b"candidates", b"\xadandidates")
    path.write_bytes(content.replace(b"CREATE TABLE", b"CREATE TABLX"))
    with CandidateCache("model", 0) as cache:
        cache.save("other", kept)
    with CandidateCache("model", 0) as cache:
        assert (cache.load("key"), cache.load("other")) == (None, kept)
