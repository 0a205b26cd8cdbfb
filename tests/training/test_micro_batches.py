"""Fewer examples at a time, the same update."""

import pytest
import torch
from builders import TINY, tune_tiny

from pipeline.training import micro_batches
from pipeline.training.micro_batches import halve_batch, split_batch


def get_trained(trainer):
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(("size", "steps", "smaller"), [(8, 1, (4, 2)), (6, 1, (3, 2)), (5, 1, (1, 5)), (3, 2, (1, 6))])
def test_halved_batch_keeps_the_update(size, steps, smaller, make_params):
    changes = {"train.per_device_train_batch_size": size, "train.gradient_accumulation_steps": steps}
    halved = halve_batch(make_params(**changes).train)
    assert (halved.per_device_train_batch_size, halved.gradient_accumulation_steps) == smaller
    assert halve_batch(make_params(**{"train.per_device_train_batch_size": 1}).train) is None


class Counted:
    """A model as far as its weights are counted."""

    def __init__(self, trainable, total):
        self.sizes = {True: trainable, False: total}

    def num_parameters(self, only_trainable=False):
        return self.sizes[only_trainable]


SMALL, LARGE, TUNED = Counted(3 * 10**5, 45 * 10**5), Counted(10**6, 10**8), Counted(10**8, 10**8)


@pytest.mark.parametrize(
    ("model", "size", "tokens", "changes", "split"),
    [
        (LARGE, 8, 500, {}, (2, 4)),
        (LARGE, 8, 100, {}, (8, 1)),
        (LARGE, 32, 100, {"train.gradient_accumulation_steps": 2}, (8, 8)),
        (SMALL, 8, 500, {}, (8, 1)),
        (SMALL, 32, 500, {}, (8, 4)),
        (TUNED, 16, 600, {}, (8, 2)),
        (TUNED, 8, 600, {}, (8, 1)),
        (LARGE, 8, 500, {"model.quantization": "4bit"}, (8, 1)),
    ],
)
def test_step_on_a_cpu_reads_what_makes_it_fast_and_no_more(model, size, tokens, changes, split, make_params):
    params = make_params(**{"train.per_device_train_batch_size": size, **changes})
    chosen = split_batch(params, tokens, model, "cpu")
    assert (chosen.per_device_train_batch_size, chosen.gradient_accumulation_steps) == split
    assert split_batch(params, tokens, model, "cuda") == params.train


def test_split_batch_learns_what_the_whole_one_does(tokenizer, five_rows, make_params, tmp_path, monkeypatch, capsys):
    params = make_params(**{**TINY, "train.per_device_train_batch_size": 4, "train.num_train_epochs": 3})
    whole = get_trained(tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "whole")[0])
    assert "at a time" not in capsys.readouterr().out
    monkeypatch.setattr(micro_batches, "TOKENS", 1)
    monkeypatch.setattr(micro_batches, "MULTIPLICATIONS", 0)
    monkeypatch.setattr(micro_batches, "TOKENS_WHERE_ALL_IS_TUNED", 1)
    trainer, metrics, _ = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "split")
    assert (metrics["per_device_train_batch_size"], metrics["gradient_accumulation_steps"]) == (1, 4)
    assert "train: the 4 examples of an update are read 1 at a time" in capsys.readouterr().out
    split = get_trained(trainer)
    assert all(torch.allclose(value, split[name], atol=1e-5) for name, value in whole.items())
