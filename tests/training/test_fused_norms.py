"""RMS norms in few passes: as the model's own, forward and backward, and with little kept."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm

from pipeline.training.fused_norms import build_norm

KINDS = [LlamaRMSNorm, Qwen3RMSNorm, GemmaRMSNorm, T5LayerNorm]
# of a gradient's length, in fp32 and in bf16, whose roundings Llama's norm makes in another order
TOLERANCES = {torch.float32: 1e-6, torch.bfloat16: 1e-2}


def build(kind, dtype=torch.float32):
    torch.manual_seed(0)
    norm = kind(24, eps=1e-3).to(dtype).requires_grad_(False)
    norm.weight.copy_(torch.rand(24))
    hidden = (5 * torch.randn(2, 7, 24) + 1).to(dtype).requires_grad_()
    return norm, hidden


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_norm_and_its_gradient_are_the_modules_own(kind, dtype):
    norm, hidden = build(kind, dtype)
    function = build_norm(norm)
    theirs, ours = norm(hidden), function(hidden)
    assert ours.dtype == theirs.dtype
    assert torch.allclose(ours, theirs, rtol=1e-5 if dtype == torch.float32 else 0.01)
    wanted = torch.randn_like(theirs)
    expected, gradient = (torch.autograd.grad(output, hidden, wanted)[0].float() for output in (theirs, ours))
    assert (gradient - expected).norm() <= TOLERANCES[dtype] * expected.norm()


def test_a_norm_keeps_its_input_and_a_number_a_row():
    norm, hidden = build(LlamaRMSNorm, torch.bfloat16)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        build_norm(norm)(hidden)
    assert sum(tensor.nbytes for tensor in kept) == hidden.nbytes + 4 * 14 + 4 * 24


def test_norms_of_another_kind_or_that_are_tuned_stay():
    assert build_norm(torch.nn.LayerNorm(24, bias=False).requires_grad_(False)) is None
    assert build_norm(LlamaRMSNorm(24)) is None
    assert build_norm(torch.nn.Linear(24, 24).requires_grad_(False)) is None


def test_a_norm_in_another_precision_than_its_input_is_the_modules_own():
    norm, hidden = build(LlamaRMSNorm)
    half = hidden.detach().bfloat16()
    assert build_norm(norm)(half).equal(norm(half))


def test_a_norm_is_known_where_tensors_have_no_values():
    with FakeTensorMode():
        norm = GemmaRMSNorm(24).requires_grad_(False)
        assert build_norm(norm)(torch.empty(3, 24)).shape == (3, 24)
