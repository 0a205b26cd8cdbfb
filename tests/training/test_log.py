"""What is told while a model is tuned: every step once, also after a kill."""

import pandas as pd
import pytest
from builders import TINY, tune_tiny
from transformers import TrainerCallback

from pipeline.training import tuning
from pipeline.training.log import build_history, list_validations

LOG = [
    {"step": 1, "loss": 2.0, "learning_rate": 0.1, "epoch": 0.5},
    {"step": 2, "eval_loss": 1.87654, "eval_rouge": 0.41239, "eval_runtime": 3.0},
    {"step": 3, "loss": 1.0, "learning_rate": 0.0, "epoch": 1.5},
    {"step": 4, "eval_loss": 1.5},
    {"step": 4, "train_loss": 1.5, "train_runtime": 9.0},
]


def test_history_is_of_training_losses_and_validations_stand_apart():
    assert build_history(LOG).to_dict("list") == {"step": [1, 3], "loss": [2.0, 1.0], "learning_rate": [0.1, 0.0]}
    assert list_validations(LOG) == [{"step": 2, "loss": 1.8765, "rouge": 0.4124}, {"step": 4, "loss": 1.5}]
    assert build_history([]).columns.tolist() == ["step", "loss", "learning_rate"]


def test_killed_and_resumed_run_tells_every_step_once(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 8:
                raise KeyboardInterrupt

    def build(*given, make=tuning.build_arguments):
        arguments = make(*given)
        arguments.logging_steps = 1
        return arguments

    monkeypatch.setattr("pipeline.training.log.PAUSE", 0.0)
    monkeypatch.setattr(tuning, "build_arguments", build)
    params, told = make_params(**{**TINY, "train.num_train_epochs": 4}), []
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            tune_tiny("gptj", tokenizer, five_rows, params, tmp_path, on_log=told.append)
    assert [frame["step"].iloc[-1] for frame in told] == [*range(1, 9)]
    told.clear()
    # the checkpoint is of step 6: 7 and 8 are told again, in the place of what the killed run had told
    _, metrics, history = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path, on_log=told.append)
    assert [frame["step"].tolist() for frame in told] == [[*range(1, last + 1)] for last in range(7, 13)]
    pd.testing.assert_frame_equal(told[-1], history)
    assert [one["step"] for one in metrics["validation"]] == [3, 6, 9, 12]
