"""The engine gives what `generate` gives: the oracle is asked prompt by prompt, configuration by configuration."""

import copy

import pytest
import torch
from builders import build_tiny_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.decoding import engine as module
from pipeline.decoding.engine import SharedPrefixEngine
from pipeline.decoding.plan import Document
from pipeline.params.grid import Configuration

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]
VOCABULARY, END, NEW = 60, 0, 8
# two candidates this close may change places when a sum is taken in another order
TIE = 1e-5
ties = {"compared": 0, "tied": 0}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    """A tiny random model of each family."""
    model = build_tiny_model(request.param, VOCABULARY)
    for name, weight in model.named_parameters():
        # T5 does not scale its scores: with weights spread this wide they come to hundreds, and rounding is magnified
        # until `generate` itself gives other scores in another batch
        if name.endswith(".q.weight"):
            weight.data *= 0.05
    return model


def decode(model, prompts, configurations, max_rows=1 << 20, max_documents=3, seed=0):
    """By prompt and configuration, the engine's candidates."""
    engine = SharedPrefixEngine(model, configurations, seed, max_rows, max_documents)
    wanted = tuple(range(len(configurations)))
    documents = [Document(str(number), prompt, wanted) for number, prompt in enumerate(prompts)]
    return {(int(name), index): candidates for name, index, candidates in engine.decode(documents)}


def ask_generate(model, prompt, configuration):
    """Tokens and scores of `generate` for one prompt, without padding."""
    ids = torch.tensor([prompt])
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        return_dict_in_generate=True,
        output_scores=True,
        **configuration.settings,
    )
    new = output.sequences[:, 1 if model.config.is_encoder_decoder else len(prompt) :].tolist()
    tokens = [row[: row.index(END) + 1] if END in row else row for row in new]
    scores = getattr(output, "sequences_scores", None)
    return tokens, [None] * len(tokens) if scores is None else scores.tolist()


@torch.inference_mode()
def compute_log_probability(model, prompt, tokens):
    """Sum of the model's log-probabilities of the tokens: what two candidates must share to tie."""
    if model.config.is_encoder_decoder:
        start = model.generation_config.decoder_start_token_id
        inputs = {"input_ids": [prompt], "decoder_input_ids": [[start, *tokens[:-1]]]}
    else:
        inputs = {"input_ids": [prompt + tokens[:-1]]}
    logits = model(**{name: torch.tensor(value) for name, value in inputs.items()}).logits[0, -len(tokens) :]
    return float(logits.log_softmax(-1)[range(len(tokens)), tokens].sum())


def assert_equal(model, prompt, configuration, candidates):
    """Token for token, but for ties, which are proven and counted."""
    tokens, scores = ask_generate(model, prompt, configuration)
    assert len(candidates) == len(tokens)
    for candidate, theirs, score in zip(candidates, tokens, scores, strict=True):
        ties["compared"] += 1
        if score is not None:
            assert candidate.score == pytest.approx(score, abs=1e-4, rel=1e-5)
        if candidate.tokens != theirs:
            ties["tied"] += 1
            ours = compute_log_probability(model, prompt, candidate.tokens)
            assert ours == pytest.approx(compute_log_probability(model, prompt, theirs), abs=TIE), configuration


@st.composite
def configurations(draw):
    """Any configuration without sampling."""
    chosen = {"max_new_tokens": NEW}
    beams = draw(st.integers(1, 8))
    if beams > 1:
        chosen |= {
            "num_beams": beams,
            "length_penalty": draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])),
            "early_stopping": draw(st.sampled_from([True, False, "never"])),
            "num_return_sequences": draw(st.integers(1, beams)),
        }
    chosen["no_repeat_ngram_size"] = draw(st.integers(0, 4))
    chosen["repetition_penalty"] = draw(st.sampled_from([1.0, 1.0, 0.8, 1.2, 2.0]))
    chosen["min_new_tokens"] = draw(st.sampled_from([0, 0, 2, 5]))
    return chosen


prompts = st.lists(st.integers(2, VOCABULARY - 1), min_size=1, max_size=20)
grids = st.lists(configurations(), min_size=1, max_size=4)


def check_grid(model, prompts, grid):
    chosen = [Configuration(str(number), settings) for number, settings in enumerate(grid)]
    decoded = decode(model, prompts, chosen)
    assert len(decoded) == len(prompts) * len(grid)
    for (number, index), candidates in decoded.items():
        assert_equal(model, prompts[number], chosen[index], candidates)


EXAMPLES = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=4)


@EXAMPLES
@given(prompts=st.lists(prompts, min_size=1, max_size=3), grid=grids)
def test_greedy_and_beam_candidates_are_those_of_generate(model, prompts, grid):
    check_grid(model, prompts, grid)


@pytest.mark.slow
@settings(parent=EXAMPLES, max_examples=80)
@given(prompts=st.lists(prompts, min_size=1, max_size=3), grid=grids)
def test_greedy_and_beam_candidates_are_those_of_generate_at_length(model, prompts, grid):
    # slow: `generate` is called some thousand times
    check_grid(model, prompts, grid)


GRID = [
    Configuration("greedy", {"max_new_tokens": NEW}),
    Configuration("block", {"max_new_tokens": NEW, "no_repeat_ngram_size": 2, "repetition_penalty": 1.2}),
    Configuration("beam", {"max_new_tokens": NEW, "num_beams": 3, "num_return_sequences": 2}),
    Configuration("long", {"max_new_tokens": NEW, "num_beams": 4, "length_penalty": 2.0, "min_new_tokens": 3}),
    Configuration("sample", {"max_new_tokens": NEW, "do_sample": True, "num_return_sequences": 3}),
]
PROMPTS = [[5, 6, 7, 5, 6], [9] * 14, [3], list(range(2, 40)), [8, 8], [30, 20, 10, 30, 20]]


def adapt(model, merged):
    """A copy with a LoRA adapter that changes what it writes, attached or merged."""
    from peft import LoraConfig, get_peft_model

    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(task_type=kind, target_modules="all-linear", r=4))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in adapted.named_parameters():
        # a fresh adapter adds nothing
        if "lora_B" in name:
            # as with the weights of q above, an unscaled T5's scores must not come to hundreds
            spread = 0.05 if ".q." in name else 1.0
            parameter.data = spread * torch.randn(parameter.shape, generator=generator)
    return (adapted.merge_and_unload() if merged else adapted).eval()


@pytest.mark.parametrize("merged", [False, True])
def test_adapters_attached_and_merged_decode_as_generate_does(model, merged):
    adapted = adapt(model, merged)
    plain = ask_generate(model, PROMPTS[0], GRID[0])[0]
    decoded = decode(adapted, PROMPTS[:2], GRID[:4])
    for (number, index), candidates in decoded.items():
        assert_equal(adapted, PROMPTS[number], GRID[index], candidates)
    assert [c.tokens for c in decoded[0, 0]] != plain


def test_grown_vocabulary_decodes_as_generate_does(model):
    # what is written first anyway has a new token that is likelier still, as after training
    written = [ask_generate(model, prompt, GRID[0])[0][0][0] for prompt in PROMPTS[:3]]
    grown, rows = copy.deepcopy(model), [*range(VOCABULARY, VOCABULARY + 3)]
    grown.resize_token_embeddings(VOCABULARY + 3, mean_resizing=False)
    with torch.no_grad():
        grown.get_output_embeddings().weight[rows] = 1.5 * model.get_output_embeddings().weight[written]
    prompts = [*PROMPTS[:2], [*PROMPTS[2], rows[1], *PROMPTS[2]]]
    decoded = decode(grown, prompts, GRID[:4])
    for (number, index), candidates in decoded.items():
        assert_equal(grown, prompts[number], GRID[index], candidates)
    assert any(token in rows for candidates in decoded.values() for one in candidates for token in one.tokens)


@pytest.fixture(scope="module", params=["attached", "merged"])
def adapted(model, request):
    """A tiny model of each family with an adapter, attached or merged."""
    return adapt(model, request.param == "merged")


@pytest.mark.slow
@settings(parent=EXAMPLES, max_examples=40)
@given(prompts=st.lists(prompts, min_size=1, max_size=3), grid=grids)
def test_adapted_models_decode_as_generate_does_at_length(adapted, prompts, grid):
    # slow: `generate` is called some thousand times
    check_grid(adapted, prompts, grid)


@pytest.mark.slow
def test_ties_are_rare():
    # slow: counts over the tests above
    assert ties["compared"] > 1000
    assert ties["tied"] <= ties["compared"] // 1000, ties


def test_model_is_left_as_it_was(model):
    before, implementation = ask_generate(model, PROMPTS[0], GRID[2]), model.config._attn_implementation
    decode(model, PROMPTS, GRID)
    assert model.config._attn_implementation == implementation
    assert ask_generate(model, PROMPTS[0], GRID[2]) == before


def test_limits_order_and_neighbours_change_nothing(model):
    # samples among it: they depend on the seed, the configuration, the document and their number alone
    whole = decode(model, PROMPTS, GRID, max_documents=len(PROMPTS))
    assert_same(decode(model, PROMPTS, GRID, max_documents=1), whole)
    assert_same(decode(model, PROMPTS, GRID, max_rows=1, max_documents=9), whole)
    for index, configuration in enumerate(GRID):
        alone = decode(model, PROMPTS, [configuration])
        assert_same({(n, index): candidates for (n, _), candidates in alone.items()}, whole)


def assert_same(decoded, whole):
    """The same tokens, and scores as far as fp32 keeps them."""
    for key, candidates in decoded.items():
        assert [c.tokens for c in candidates] == [c.tokens for c in whole[key]]
        for ours, theirs in zip(candidates, whole[key], strict=True):
            assert ours.score == (None if theirs.score is None else pytest.approx(theirs.score, rel=1e-5))


def test_equal_rows_are_computed_once(model):
    twins = [Configuration(str(n), {"max_new_tokens": NEW, "num_beams": 2, "length_penalty": n / 10}) for n in range(9)]
    engine = SharedPrefixEngine(model, twins, 0, 1 << 20, 2)
    list(engine.decode([Document(str(n), prompt, tuple(range(9))) for n, prompt in enumerate(PROMPTS)]))
    alone = SharedPrefixEngine(model, twins[:1], 0, 1 << 20, 2)
    list(alone.decode([Document(str(n), prompt, (0,)) for n, prompt in enumerate(PROMPTS)]))
    # beams do not know of a length penalty until they end
    assert engine.statistics.rows <= 1.5 * alone.statistics.rows
    assert engine.statistics.wanted_rows > 6 * alone.statistics.wanted_rows


def test_running_out_of_memory_halves_the_rows_and_changes_nothing(model, monkeypatch):
    expected = decode(model, PROMPTS, GRID, max_documents=len(PROMPTS))
    seen = []

    def step(self, tokens, documents, lengths):
        seen.append(len(tokens))
        if len(tokens) > 6:
            raise torch.OutOfMemoryError("no room")
        return original(self, tokens, documents, lengths)

    original = module.Backbone.step
    monkeypatch.setattr(module.Backbone, "step", step)
    assert_same(decode(model, PROMPTS, GRID, max_documents=len(PROMPTS)), expected)
    assert max(seen) > 6


def test_what_does_not_fit_alone_is_an_error(monkeypatch):
    def step(self, tokens, documents, lengths):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(module.Backbone, "step", step)
    with pytest.raises(torch.OutOfMemoryError):
        decode(build_tiny_model("gpt2", VOCABULARY), PROMPTS, GRID)


def test_other_errors_are_not_taken_for_full_memory(monkeypatch):
    def step(self, tokens, documents, lengths):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(module.Backbone, "step", step)
    with pytest.raises(RuntimeError, match="shapes"):
        decode(build_tiny_model("gpt2", VOCABULARY), PROMPTS, GRID)
