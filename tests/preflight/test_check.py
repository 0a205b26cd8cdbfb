"""check: what a run will do, in a few lines."""

import pytest

from pipeline.models.prompts import PromptBuilder
from pipeline.preflight import check
from pipeline.preflight.check import describe_run


@pytest.fixture
def metrics():
    """Those of preprocess for 33 training documents."""
    cut = {"documents": 33, "tokens_median": 70, "tokens_max": 900, "documents_cut": 5, "tokens_cut_share": 0.1}
    return {
        "rows": {"train": 33, "valid": 10, "test": 20},
        "context_length": 512,
        "truncation": {"train": cut, "valid": {**cut, "documents_cut": 0}, "test": {**cut, "tokens_max": 60}},
        "word_overlap": {"train": {"valid": {"ngram_share": 0.04}, "test": {"ngram_share": 0.31}}},
        "overlap": {
            "valid": {"exact_copies": 2, "near_copies": 7, "ngram_share": 0.123},
            "test": {"exact_copies": 1, "near_copies": 3, "ngram_share": 0.456},
        },
    }


@pytest.fixture
def lines(make_params, metrics, monkeypatch):
    """The lines for params with some keys changed, on a machine without a GPU."""
    monkeypatch.setattr(check, "select_device", lambda: "cpu")

    def lines(**changes):
        return describe_run(make_params(**{"model.precision": "fp32"} | changes), "gptj", metrics)

    return lines


def test_rows_model_and_cuts_are_said(lines):
    text = lines()
    assert text[0] == "data: 33 train, 10 validation, 20 test documents"
    assert text[1] == "model: scratch (gptj), context 512 tokens, fp32 on cpu"
    assert "train: a document has 70 tokens (median), at most 900; 5 will be cut" in text
    assert "valid: a document has 70 tokens (median), at most 900; 0 will be cut" in text
    assert "test: a document has 70 tokens (median), at most 60; 5 will be cut" in text


@pytest.mark.parametrize(
    ("batch", "accumulation", "epochs", "said"),
    [
        (16, 1, 2, "2 epochs of 16 examples an update, 6 updates"),
        (4, 4, 2, "2 epochs of 16 examples an update, 6 updates"),
        (11, 1, 1, "1 epochs of 11 examples an update, 3 updates"),
        (64, 1, 3, "3 epochs of 64 examples an update, 3 updates"),
    ],
)
def test_steps_are_those_of_the_trainer(lines, batch, accumulation, epochs, said):
    changes = {
        "lora.r": 8,
        "train.per_device_train_batch_size": batch,
        "train.gradient_accumulation_steps": accumulation,
        "train.num_train_epochs": epochs,
    }
    assert f"train: LoRA r=8, {said}" in lines(**changes)


def test_decoding_is_counted_in_configurations_and_sequences(lines):
    grid = {"greedy": {"no_repeat_ngram_size": [0, 3]}, "beam": {"num_beams": 4, "length_penalty": [0.5, 1.0]}}
    text = lines(**{"decode.grid": grid, "decode.untuned": False, "decode.few_shot": 0})
    assert "decode: 4 configurations, 100 sequences on validation" in text


def test_untuned_base_is_counted_where_it_is_decoded(lines):
    text = lines(**{"decode.grid": {"greedy": {}}, "decode.untuned": True, "decode.few_shot": 2})
    assert any(line.startswith("decode: ") and "30 sequences on validation" in line for line in text)


def test_untuned_base_is_counted_for_the_documents_that_it_reads_and_halving_for_its_budget(lines):
    changes = {
        "decode.grid": {"greedy": {}},
        "decode.untuned": True,
        "decode.few_shot": 2,
        "decode.untuned_documents": 3,
    }
    assert "decode: 1 configurations, 16 sequences on validation" in lines(**changes)
    changes |= {
        "decode.search": "halving",
        "decode.halving.budget": 0.4,
        "decode.untuned": False,
        "decode.few_shot": 0,
    }
    assert "decode: 1 configurations, about 4 sequences on validation" in lines(**changes)


def test_overlap_of_both_splits_is_said_last(lines):
    assert lines()[-2:] == [
        "overlap: 2 validation documents stand in train word for word, 7 to 80% or more; 12% of their character 5-grams and 4% of their word 8-grams are known",
        "overlap: 1 test documents stand in train word for word, 3 to 80% or more; 46% of their character 5-grams and 31% of their word 8-grams are known",
    ]


def test_peak_that_cannot_be_estimated_does_not_stop_check(make_params, metrics, tokenizer, monkeypatch):

    def fail(*args):
        raise RuntimeError("data-dependent")

    params = make_params(**{"model.precision": "fp32"})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 512, False)
    model = check.build_planned_model(params, PromptBuilder(tokenizer, params.prompt, "head", 128, False))
    metrics["summary"] = {"tokens_max": 20, "tokens_median": 10}
    monkeypatch.setattr(check, "select_device", lambda: "cpu")
    assert check.describe_peak(params, model, metrics, builder)[0].startswith("memory: train about ")
    monkeypatch.setattr(check, "describe_memory", fail)
    lines = check.describe_peak(params, model, metrics, builder)
    assert lines[0].startswith("memory: cannot be estimated for this model (RuntimeError); ")


def test_learning_from_candidates_is_said_where_it_is_asked_for(lines):
    assert not any(line.startswith(("explore", "refine")) for line in lines())
    text = lines(**{"refine.method": "brio", "refine.num_train_epochs": 2, "explore.documents": 20})
    assert (
        "explore: 16 candidates of each of 20 training documents, by 2 models that are trained on the other folds, if need be"
        in text
    )
    # of 8 documents
    assert "refine: brio, 2 epochs of 8 documents an update, 6 updates" in text
    text = lines(**{"refine.method": "brio", "explore.out_of_fold": "never"})
    assert "explore: 16 candidates of each of 33 training documents, by the model that has learnt from them" in text
