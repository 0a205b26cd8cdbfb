"""Samples follow `generate`'s distribution and depend on nothing but what names them."""

import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding.engine import SharedPrefixEngine
from pipeline.decoding.plan import Document
from pipeline.decoding.sampling import derive_seed, pick_tokens
from pipeline.params.grid import Configuration

VOCABULARY, SAMPLES = 8, 2000
PROMPT = [3, 5, 2, 6]
WARPED = [
    {},
    {"temperature": 2.0},
    {"top_k": 3},
    {"top_p": 0.7, "temperature": 1.5},
    {"min_p": 0.2, "repetition_penalty": 1.5},
]


@pytest.fixture(scope="module")
def model():
    """A model of eight tokens that leaves a choice."""
    model = build_tiny_model("gpt2", VOCABULARY)
    # spread wide it would always say the same
    model.lm_head.weight.data *= 0.6
    return model


def sample(model, settings, count=SAMPLES, names=("a",), seed=0):
    """Token lists of the samples, by document."""
    configuration = Configuration("s", {"do_sample": True, "num_return_sequences": count, **settings})
    engine = SharedPrefixEngine(model, [configuration], seed, 1 << 20, len(names))
    decoded = engine.decode([Document(name, PROMPT, (0,)) for name in names])
    return {name: [candidate.tokens for candidate in candidates] for name, _, candidates in decoded}


@pytest.mark.parametrize("settings", WARPED)
def test_first_two_tokens_are_distributed_as_those_of_generate(model, settings):
    settings = {"max_new_tokens": 2, **settings}
    ours = torch.zeros(VOCABULARY, VOCABULARY)
    theirs = ours.clone()
    for tokens in sample(model, settings)["a"]:
        ours[tokens[0], tokens[-1]] += 1
    torch.manual_seed(1)
    ids = torch.tensor([PROMPT])
    drawn = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, num_return_sequences=SAMPLES,
        **{"top_k": 0, **settings},
    )[:, 4:]  # fmt: skip
    for first, second in drawn.tolist():
        theirs[first, first if first == 0 else second] += 1
    # two samples, homogeneity: Pearson's statistic over the cells that both could fill
    seen = (ours + theirs) >= 10
    statistic = ((ours - theirs) ** 2 / (ours + theirs))[seen].sum()
    freedom = int(seen.sum()) - 1
    assert freedom >= 2
    # Wilson-Hilferty: 1 in 10,000 of true hypotheses lies above
    limit = freedom * (1 - 2 / (9 * freedom) + 3.72 * (2 / (9 * freedom)) ** 0.5) ** 3
    assert statistic < limit
    assert ours[~seen].sum() < 0.05 * SAMPLES


def test_distribution_test_tells_a_temperature_from_another(model):
    # 40 lies far beyond chance for seven degrees of freedom: the test above could not fail if eight tokens were drawn alike at any temperature
    first, other = (
        torch.bincount(torch.tensor([t[0] for t in sample(model, {"max_new_tokens": 2, **s})["a"]]), minlength=8)
        for s in ({"temperature": 0.7}, {"temperature": 1.4})
    )
    total = first + other
    assert ((first - other) ** 2 / total.clamp(min=1)).sum() > 40


def test_sample_depends_on_seed_document_and_its_own_number(model):
    settings = {"max_new_tokens": 6}
    both = sample(model, settings, 5, ("a", "b"))
    assert sample(model, settings, 5, ("b",))["b"] == both["b"]
    assert both["a"] != both["b"]
    assert sample(model, settings, 5, seed=1)["a"] != both["a"]
    # more samples, or a longer cap, leave the first ones as they were
    assert sample(model, settings, 9)["a"][:5] == both["a"]
    longer = sample(model, {"max_new_tokens": 9}, 5)["a"]
    assert [tokens[:6] for tokens in longer] == [tokens[:6] for tokens in both["a"]]


def test_seed_depends_on_every_part():
    seeds = {derive_seed(*parts) for parts in [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a1")]}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_tokens_that_were_ruled_out_are_never_picked():
    scores = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    draws = torch.tensor([0.0, 0.25, 0.5, 0.75, 1 - 2**-53], dtype=torch.double)
    assert pick_tokens(scores, torch.zeros(5, dtype=torch.long), draws).tolist() == [1, 1, 3, 3, 3]
