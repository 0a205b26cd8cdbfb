"""Several continuations of a prompt that is read once: probabilities and gradients are those of rows of their own."""

import pytest
import torch
from builders import build_tiny_model
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import MistralConfig, MistralForCausalLM

from pipeline.models.likelihoods import BRANCHES, ENCODED_ONCE, ROWS, compute_log_probabilities, select_way

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]
PROMPT = [5, 6, 7, 8, 9, 11, 3]
# one begins like another, one has a single token, one stands twice
CONTINUATIONS = [[4, 9, 2, 0], [4, 9, 8], [7], [4, 9, 2, 0], [3, 2, 9, 9, 9, 10, 0]]
WEIGHTS = torch.linspace(-1, 2, 19, dtype=torch.float64)


def read_alone(model, continuations=CONTINUATIONS):
    """The oracle: each continuation in a batch of its own, by the model and torch alone."""
    found = []
    for tokens in continuations:
        if model.config.is_encoder_decoder:
            given = torch.tensor([[model.config.decoder_start_token_id, *tokens[:-1]]])
            logits = model(input_ids=torch.tensor([PROMPT]), decoder_input_ids=given).logits[0]
        else:
            logits = model(input_ids=torch.tensor([PROMPT + tokens[:-1]])).logits[0, len(PROMPT) - 1 :]
        found.append(logits.log_softmax(-1)[range(len(tokens)), tokens])
    return torch.cat(found)


def compute_gradients(model, values):
    model.zero_grad()
    (values.double() * WEIGHTS).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def is_near(one, other, share):
    """Whether tensors differ by no more than a share of the largest number in either."""
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max()) <= share * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("way", [None, ROWS])
@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_and_gradients_are_those_of_rows_of_their_own(family, way):
    model = build_tiny_model(family, 50)
    for parameter in model.parameters():
        # of a size that training gives weights; wider ones would show rounding, in the oracle as well
        parameter.data *= 0.3
    ours, theirs = compute_log_probabilities(model, PROMPT, CONTINUATIONS, way), read_alone(model)
    assert is_near(ours, theirs, 1e-6)
    own, oracle = compute_gradients(model, ours), compute_gradients(model, theirs)
    assert own.keys() == oracle.keys()
    assert all(is_near(own[name], gradient, 1e-6) for name, gradient in oracle.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_is_read_once(family):
    model = build_tiny_model(family, 50)
    assert select_way(model) == (ENCODED_ONCE if model.config.is_encoder_decoder else BRANCHES)
    read = []
    layer = model.get_encoder() if model.config.is_encoder_decoder else model.get_input_embeddings()
    layer.register_forward_hook(lambda _, args, kwargs, out: read.append(out[0].shape[-2]), with_kwargs=True)
    compute_log_probabilities(model, PROMPT, CONTINUATIONS)
    inner = sum(len(tokens) - 1 for tokens in CONTINUATIONS)
    # what compares the ways once reads more
    assert read[-1] == len(PROMPT) + (0 if model.config.is_encoder_decoder else inner)


def test_an_adapter_dropout_and_one_continuation():
    model = get_peft_model(build_tiny_model("llama", 50), LoraConfig(target_modules="all-linear", r=4))
    assert select_way(model) == BRANCHES
    assert is_near(compute_log_probabilities(model, PROMPT, [[7]]), read_alone(model, [[7]]), 1e-6)
    dropping = build_tiny_model("gpt2", 50, attn_pdrop=0.9).train()
    torch.manual_seed(0)
    one, other = (compute_log_probabilities(dropping, PROMPT, CONTINUATIONS) for _ in range(2))
    assert not torch.equal(one, other)


def test_a_window_and_a_soft_prompt_read_the_prompt_anew():
    shape = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 4}
    assert select_way(MistralForCausalLM(MistralConfig(**shape, **heads))) == ROWS
    soft = get_peft_model(
        build_tiny_model("gpt2", 50), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    ).eval()
    assert select_way(soft) == ROWS
    alone = [compute_log_probabilities(soft, PROMPT, [tokens]) for tokens in CONTINUATIONS]
    assert is_near(compute_log_probabilities(soft, PROMPT, CONTINUATIONS), torch.cat(alone), 1e-6)


def test_the_model_is_left_as_it_was():
    model = build_tiny_model("llama", 50)
    before = model.config._attn_implementation
    compute_log_probabilities(model, PROMPT, CONTINUATIONS)
    assert model.config._attn_implementation == before
    assert not any(hasattr(module, "tree") for module in model.modules())
