"""Processors equal transformers' own, row by row, whatever else is in the batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pipeline.decoding.processors import NO_TOKEN, Processing, build_processing, process

VOCABULARY, END, WIDTH = 12, 0, 9


def build_theirs(rule, prompt_tokens):
    """The list that `generate` would build, in its order."""
    keep = rule.min_tokens_to_keep
    chosen = [
        (rule.repetition_penalty != 1.0, lambda: RepetitionPenaltyLogitsProcessor(rule.repetition_penalty)),
        (rule.no_repeat_ngram_size > 0, lambda: NoRepeatNGramLogitsProcessor(rule.no_repeat_ngram_size)),
        (rule.min_new_tokens > 0, lambda: MinNewTokensLengthLogitsProcessor(prompt_tokens, rule.min_new_tokens, [END])),
        (rule.do_sample and rule.temperature != 1.0, lambda: TemperatureLogitsWarper(rule.temperature)),
        (rule.do_sample and rule.top_k > 0, lambda: TopKLogitsWarper(rule.top_k, min_tokens_to_keep=keep)),
        (rule.do_sample and rule.top_p < 1.0, lambda: TopPLogitsWarper(rule.top_p, min_tokens_to_keep=keep)),
        (rule.do_sample and rule.min_p > 0, lambda: MinPLogitsWarper(rule.min_p, min_tokens_to_keep=keep)),
    ]
    return LogitsProcessorList([build() for is_chosen, build in chosen if is_chosen])


rules = st.builds(
    Processing,
    is_beam=st.booleans(),
    do_sample=st.booleans(),
    repetition_penalty=st.sampled_from([1.0, 0.5, 1.3]),
    no_repeat_ngram_size=st.integers(0, 4),
    min_new_tokens=st.integers(0, 3),
    temperature=st.sampled_from([1.0, 0.5, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 99]),
    top_p=st.sampled_from([1.0, 0.9, 0.3]),
    min_p=st.sampled_from([0.0, 0.1, 0.9]),
    min_tokens_to_keep=st.integers(1, 2),
)
# few tokens, so that n-grams repeat
past = st.tuples(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), min_size=1, max_size=5))


@settings(deadline=None, derandomize=True, max_examples=150)
@given(rule=rules, rows=st.lists(past, min_size=1, max_size=4), seed=st.integers(0, 9))
def test_rows_are_processed_as_transformers_processes_each_alone(rule, rows, seed):
    scores = torch.randn(len(rows), VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 3
    width, longest = max(len(p) for p, _ in rows), max(len(own) for _, own in rows)
    padded = [[NO_TOKEN] * (width - len(p)) + p + own + [NO_TOKEN] * (longest - len(own)) for p, own in rows]
    lengths = torch.tensor([[width + len(own), len(own) - 1] for _, own in rows])
    ours = process(scores.clone(), torch.tensor(padded), lengths, [END], rule)
    for row, (prompt, own) in enumerate(rows):
        # the row's first own token belongs to the prompt
        theirs = build_theirs(rule, len(prompt) + 1)(torch.tensor([prompt + own]), scores[row : row + 1].clone())
        assert torch.equal(ours[row], theirs[0])


def test_sampling_without_a_named_top_k_keeps_every_token():
    rule = build_processing({"do_sample": True, "max_new_tokens": 4}, 1)
    assert torch.isfinite(process(torch.randn(1, 200), None, torch.zeros(1, 2, dtype=torch.long), [END], rule)).all()


def test_settings_that_need_sampling_are_left_out_without_it():
    # `predict` decodes what `selection.json` says, and that may name a temperature
    assert build_processing({"temperature": 0.5, "top_k": 3}, 1) == Processing()


@pytest.mark.parametrize(("beams", "ends", "kept"), [(1, 1, 1), (2, 1, 2), (2, 3, 4)])
def test_beams_that_sample_keep_a_token_to_go_on_with(beams, ends, kept):
    assert build_processing({"do_sample": True, "num_beams": beams}, ends).min_tokens_to_keep == kept
