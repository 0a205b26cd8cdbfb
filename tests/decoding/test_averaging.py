"""Several models in one search give what `generate` gives for a model whose probabilities are the mean of theirs."""

from contextlib import contextmanager

import pytest
import torch
from builders import build_tiny_model
from transformers.modeling_outputs import CausalLMOutput, Seq2SeqLMOutput

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.engine import SharedPrefixEngine
from pipeline.decoding.grid import decode_grid
from pipeline.decoding.plan import Document
from pipeline.errors import InputError
from pipeline.params.grid import Configuration

VOCABULARY, END, NEW = 60, 0, 8
GRID = [
    Configuration("greedy", {"max_new_tokens": NEW}),
    Configuration("beam", {"max_new_tokens": NEW, "num_beams": 3, "num_return_sequences": 2}),
    Configuration("block", {"max_new_tokens": NEW, "num_beams": 2, "no_repeat_ngram_size": 2, "length_penalty": 0.5}),
]
PROMPTS = [[5, 6, 7, 5, 6], [9] * 14, [3], list(range(2, 40))]


def build_models(family, count=3):
    """The family's tiny model, and others of its shape."""
    models = [build_tiny_model(family, VOCABULARY) for _ in range(count)]
    for number, model in enumerate(models):
        torch.manual_seed(number)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.05 * number)
    return models


@contextmanager
def averaging(models):
    """The first model's forward pass gives logarithms of mean probabilities, from the whole sequence each time."""
    first, passes = models[0], [model.forward for model in models]

    def forward(**inputs):
        wanted = ("input_ids", "attention_mask", "decoder_input_ids", "encoder_outputs")
        given = {name: value for name, value in inputs.items() if name in wanted and value is not None}
        if first.config.is_encoder_decoder:
            # each reads the source by itself
            given.pop("encoder_outputs")
            given["input_ids"] = source[:1].expand(len(given["decoder_input_ids"]), -1)
            given["attention_mask"] = torch.ones_like(given["input_ids"])
        probabilities = [run(**given, use_cache=False).logits.double().softmax(-1) for run in passes]
        kind = Seq2SeqLMOutput if first.config.is_encoder_decoder else CausalLMOutput
        return kind(logits=torch.stack(probabilities).mean(0).log().float())

    source = None

    def generate(prompt, settings):
        nonlocal source
        source = torch.tensor([prompt])
        output = first.generate(
            input_ids=source, attention_mask=torch.ones_like(source), use_cache=False, return_dict_in_generate=True,
            output_scores=True, **settings,
        )  # fmt: skip
        new = output.sequences[:, 1 if first.config.is_encoder_decoder else len(prompt) :].tolist()
        scores = getattr(output, "sequences_scores", None)
        return [row[: row.index(END) + 1] if END in row else row for row in new], scores

    first.forward = forward
    try:
        yield generate
    finally:
        del first.forward


@pytest.mark.parametrize("family", [pytest.param("gpt2", marks=pytest.mark.slow), "llama", "t5"])
def test_one_search_of_several_models_is_that_of_their_mean(family):
    models = build_models(family)
    wanted = tuple(range(len(GRID)))
    documents = [Document(str(number), prompt, wanted) for number, prompt in enumerate(PROMPTS)]
    engine = SharedPrefixEngine(models[0], GRID, 0, 1 << 20, 3, others=models[1:])
    ours = {(int(name), index): found for name, index, found in engine.decode(documents)}
    with averaging(models) as generate:
        for (number, index), candidates in ours.items():
            tokens, scores = generate(PROMPTS[number], GRID[index].settings)
            assert [candidate.tokens for candidate in candidates] == tokens
            if scores is not None:
                assert [candidate.score for candidate in candidates] == pytest.approx(scores.tolist(), abs=1e-4)
    alone = SharedPrefixEngine(models[0], GRID, 0, 1 << 20, 3)
    first = {(int(name), index): found for name, index, found in alone.decode(documents)}
    assert [c.tokens for c in first[0, 1]] != [c.tokens for c in ours[0, 1]]


def test_what_the_engine_cannot_serve_is_refused_and_not_decoded_by_one_model(tokenizer):
    models = build_models("gpt2", 2)
    models[1].generation_config.num_beam_groups = 2
    decoder = Decoder(models[0], tokenizer, None, 0, "generate", others=models[1:])
    with pytest.raises(
        InputError, match=r"cannot be averaged for the model: its generation config sets num_beam_groups"
    ):
        decode_grid(decoder, ["a"], [[5, 6]], GRID[:1])
