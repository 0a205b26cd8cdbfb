"""A base that reads on: it learns, a killed run goes on bit for bit, every kind of model can."""

import math

import pandas as pd
import pytest
import torch
from builders import build_tiny_model

from pipeline.competition.corpus import collect_texts
from pipeline.errors import InputError
from pipeline.models.base import BaseModel, save_model
from pipeline.training.adaptation import adapt, hold_out

ADAPT = {"pretrain.adapt.method": "lora", "pretrain.adapt.r": 4, "pretrain.adapt.num_train_epochs": 3}
ADAPT |= {"pretrain.adapt.block_size": 24, "pretrain.adapt.learning_rate": 1e-2, "pretrain.adapt.held_out": 0.2}
ADAPT |= {"pretrain.adapt.per_device_train_batch_size": 2, "pretrain.adapt.warmup_steps": 0, "model.precision": "fp32"}


@pytest.fixture
def read(tokenizer, five_rows, make_params, tmp_path):
    """Adapts a tiny model of a family: `read("gptj", tmp_path / "run", **changes)`."""
    rows = collect_texts({"train": five_rows}, ["train"])

    def run(family, folder, vocabulary=tokenizer, texts=rows, **changes):
        source = tmp_path / f"{family}-{len(vocabulary)}"
        save_model(build_tiny_model(family, len(vocabulary)), vocabulary, source)
        params = make_params(**{**ADAPT, "model.name": str(source), **changes})
        return adapt(BaseModel(str(source), None, ""), texts, params.model, params.pretrain.adapt, 1, folder)

    return run


@pytest.mark.parametrize(("family", "method"), [("llama", "lora"), ("gpt2", "full")])
def test_adapted_model_is_whole_and_as_good_as_its_perplexity_says(
    family, method, read, tokenizer, five_rows, tmp_path
):
    read_on = read(family, tmp_path / "run", **{"pretrain.adapt.method": method})
    assert read_on.details["perplexity"] < 0.7 * read_on.details["perplexity_before"]
    # no adapter is left in it, and transformers' own loss is what was written down
    assert not any("lora" in name for name, _ in read_on.model.named_parameters())
    held = hold_out(collect_texts({"train": five_rows}, ["train"]), 0.2, 1)["valid"]
    stream = torch.tensor([t for text in held for t in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
    blocks, model = stream.split(24), read_on.model.eval()
    nats = [float(model(block[None], labels=block[None]).loss) * (len(block) - 1) for block in blocks if len(block) > 1]
    expected = math.exp(sum(nats) / sum(len(block) - 1 for block in blocks))
    assert read_on.details["perplexity"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("family", ["t5", pytest.param("bart", marks=pytest.mark.slow)])
def test_encoder_decoder_learns_to_mend_text(family, read, tokenizer, tmp_path):
    import copy

    vocabulary = copy.deepcopy(tokenizer)
    names = [f"<extra_id_{i}>" for i in range(20)] if family == "t5" else ["<mask>"]
    vocabulary.add_special_tokens({"extra_special_tokens": names} if family == "t5" else {"mask_token": "<mask>"})
    details = read(family, tmp_path / "run", vocabulary, **{"pretrain.adapt.num_train_epochs": 2}).details
    assert details["perplexity"] < 0.9 * details["perplexity_before"]


def test_killed_and_resumed_equals_never_killed(read, tmp_path, monkeypatch):
    from transformers import TrainerCallback

    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            # in the second epoch
            if state.epoch > 1.1:
                raise KeyboardInterrupt

    whole = read("gptj", tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            read("gptj", tmp_path / "killed")
    assert list((tmp_path / "killed").glob("checkpoint-*"))
    resumed = read("gptj", tmp_path / "killed")
    assert resumed.details["perplexity_before"] == whole.details["perplexity_before"]
    assert all(value.equal(resumed.model.state_dict()[name]) for name, value in whole.model.state_dict().items())


def test_no_text_of_a_document_is_on_both_sides():
    texts = pd.DataFrame({"document": [0, 1, 2, 0, 1, 2], "text": ["가", "나", "가", "다", "라", "마"]})
    for seed in range(5):
        parts = hold_out(texts, 0.3, seed)
        assert parts["valid"]
        assert not set(parts["valid"]) & set(parts["train"])
        assert set(parts["valid"]) in ({"가", "다"}, {"나", "라"}, {"가", "마"})
        assert parts == hold_out(texts, 0.3, seed)


def test_too_little_text_and_blocks_beyond_the_context_are_refused_by_key(read, tmp_path):
    with pytest.raises(InputError, match=r"^pretrain\.adapt\.block_size: 512 does not fit into a context of 128"):
        read("gpt2", tmp_path / "run", **{"pretrain.adapt.block_size": 512})
    with pytest.raises(InputError, match=r"^pretrain\.adapt: no text to learn in pretrain\.text"):
        read("gpt2", tmp_path / "run", texts=collect_texts({}, ["test"]))


def test_loss_that_is_no_number_names_the_section(read, tmp_path, monkeypatch):
    from pipeline.training import trainer

    compute = trainer.sum_cross_entropy
    monkeypatch.setattr(trainer, "sum_cross_entropy", lambda *args: compute(*args) * float("nan"))
    with pytest.raises(InputError, match=r"^pretrain: the loss is not .* lower pretrain\.adapt\.learning_rate"):
        read("gpt2", tmp_path / "run", **{"pretrain.adapt.num_train_epochs": 1})
