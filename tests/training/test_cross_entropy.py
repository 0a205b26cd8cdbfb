"""Cross-entropy in chunks equals torch's, and what stands behind the labels is left out."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from pipeline.training import cross_entropy as module
from pipeline.training.cross_entropy import sum_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cross_entropy_equals_torchs(smoothing, dtype, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 100)
    torch.manual_seed(0)
    # the first label is so improbable that its share is rounded to zero
    logits = (torch.randn(7, 40) * 4).to(dtype)
    logits[0, 3], logits[0, 4] = -200.0, 200.0
    labels = torch.tensor([3, 1, 2, 39, 0, 5, 6])
    ours, plain = (logits.clone().requires_grad_() for _ in range(2))
    loss = sum_cross_entropy(ours, labels, smoothing)
    expected = cross_entropy(plain.float(), labels, label_smoothing=smoothing, reduction="sum")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (loss * 3).backward()
    (expected * 3).backward()
    tolerance = {torch.float32: 1e-6, torch.bfloat16: 3e-2, torch.float16: 3e-3}[dtype]
    assert ours.grad.dtype == dtype
    assert torch.allclose(ours.grad, plain.grad, atol=tolerance)


def test_fp16_gradients_survive_the_scaler():
    logits = torch.zeros(1, 60_000, dtype=torch.float16, requires_grad=True)
    (sum_cross_entropy(logits, torch.tensor([0])) * 2.0**16).backward()
    # each share is 1/60,000, which fp16 holds to two digits only; the scaled one to three
    assert logits.grad[0, 1].item() == pytest.approx(2**16 / 60_000, rel=1e-3)


def test_cross_entropy_without_a_gradient_makes_none():
    logits, labels = torch.randn(3, 9), torch.tensor([1, 2, 3])
    assert sum_cross_entropy(logits, labels).item() == pytest.approx(
        cross_entropy(logits, labels, reduction="sum").item(), rel=1e-6
    )


def test_logits_behind_the_labels_are_left_out(monkeypatch):
    # two rows at a time, so that the last chunk is shorter than its logits
    monkeypatch.setattr(module, "CHUNK", 18)
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 9, requires_grad=True), torch.tensor([1, 2, 3])
    loss = sum_cross_entropy(logits, labels)
    expected = cross_entropy(logits[:3], labels, reduction="sum")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (loss, expected))
    assert torch.allclose(ours, theirs, atol=1e-6)
