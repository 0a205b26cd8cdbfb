"""The trainer's loss against transformers' own; which checkpoint it keeps."""

import os
import time

import pytest
import torch
from builders import TINY, pad, tune_tiny

from pipeline.training.objectives import Objective
from pipeline.training.packing import Packing
from pipeline.training.trainer import SummaryTrainer


def test_label_smoothing_is_that_of_transformers_and_spares_validation(tokenizer, five_rows, make_params):
    from builders import build_batch
    from transformers.trainer_pt_utils import LabelSmoother

    model, collator, features = build_batch("gptj", tokenizer, five_rows, make_params())
    trainer = SummaryTrainer.__new__(SummaryTrainer)
    trainer.objective, trainer.packing, trainer.validated = Objective(label_smoothing=0.2), Packing(), [0.0, 0]
    batch = pad(collator)(features)
    with torch.no_grad():
        oracle = LabelSmoother(0.2)(model(**batch), batch["labels"], shift_labels=True)
        plain = model(**batch).loss
        assert trainer.compute_loss(model.train(), batch).item() == pytest.approx(oracle.item(), abs=1e-5)
        assert trainer.compute_loss(model.eval(), batch).item() == pytest.approx(plain.item(), abs=1e-5)


def test_newest_checkpoint_stays_when_the_clock_jumps_back(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            # what was saved before the jump is of tomorrow
            for checkpoint in tmp_path.glob("checkpoint-*"):
                os.utime(checkpoint, (time.time() + 86_400,) * 2)

    monkeypatch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Clock()])
    # the best one stays in any case, so none is better than those before
    monkeypatch.setattr(SummaryTrainer, "_determine_best_metric", lambda *_, **__: False)
    tune_tiny("gptj", tokenizer, five_rows, make_params(**{**TINY, "train.num_train_epochs": 3}), tmp_path)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-9"]
