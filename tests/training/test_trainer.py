"""The trainer's loss against transformers' own."""

import pytest
import torch
from builders import pad

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
