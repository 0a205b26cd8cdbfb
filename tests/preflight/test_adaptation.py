"""check says what a base will read, and refuses what pretrain would."""

import pytest

from pipeline.competition.corpus import collect_texts
from pipeline.errors import InputError
from pipeline.models.prompts import PromptBuilder
from pipeline.preflight.adaptation import describe_adaptation
from pipeline.training.adaptation import build_features, hold_out


@pytest.fixture
def describe(five_rows, tokenizer, model_folder, make_params):
    texts = collect_texts({"train": five_rows}, ["train"])

    def run(texts=texts, **changes):
        params = make_params(**{"model.name": str(model_folder), "pretrain.adapt.block_size": 24, **changes})
        return describe_adaptation(params, texts, PromptBuilder(tokenizer, params.prompt, "head", 128, False))

    return run


def test_texts_tokens_and_updates_are_those_of_the_run(describe, five_rows, tokenizer, make_params):
    changes = {"pretrain.adapt.method": "lora", "pretrain.adapt.per_device_train_batch_size": 3}
    (line,) = describe(**changes)
    params = make_params(**{"model.name": "m", "pretrain.adapt.block_size": 24, **changes})
    parts = hold_out(collect_texts({"train": five_rows}, ["train"]), params.pretrain.adapt.held_out, params.seed)
    from builders import build_tiny_model

    config = build_tiny_model("gptj", len(tokenizer)).config
    features = build_features(parts["train"], config, tokenizer, params.pretrain.adapt, params.seed)
    tokens = sum(len(feature["input_ids"]) for feature in features)
    assert line.startswith(f"pretrain: reads 8 texts of train, about {tokens} tokens: LoRA r=32, merged, 2 epochs, ")
    assert f"some {-(-len(features) // 3) * 2} updates; 2 texts measure its perplexity" in line
    assert describe() == []


def test_what_pretrain_would_refuse_is_refused(describe):
    adapt = {"pretrain.adapt.method": "full"}
    with pytest.raises(InputError, match=r"^pretrain\.adapt\.block_size: 129 does not fit into a context of 128"):
        describe(**adapt, **{"pretrain.adapt.block_size": 129})
    with pytest.raises(InputError, match=r"^pretrain\.adapt: no text to learn in pretrain\.text"):
        describe(texts=collect_texts({}, ["extra"]), **adapt)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "pretrain.adapt.method: lora, but the scratch model is made of the texts already; use none"),
        (
            {"model.name": "pair", "model.encoder": "a", "model.decoder": "b"},
            "pretrain.adapt.method: lora needs a model",
        ),
        ({"model.name": "m", "model.quantization": "4bit"}, "model.quantization: 4bit weights cannot take in"),
        ({"model.name": "m", "model.device_map": "auto"}, "model.device_map: auto weights cannot take in"),
    ],
)
def test_combinations_that_cannot_be_are_refused_by_key(make_params, changes, line):
    with pytest.raises(InputError) as refusal:
        make_params(**{"pretrain.adapt.method": "lora", **changes})
    assert [mistake.startswith(f"params.yaml: {line}") for mistake in refusal.value.mistakes] == [True]
