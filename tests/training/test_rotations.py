"""Rotary embeddings inside attention: as the models' own functions, and back."""

import pytest
import torch
from transformers.models.cohere import modeling_cohere
from transformers.models.gemma import modeling_gemma
from transformers.models.gpt2 import modeling_gpt2
from transformers.models.llama import modeling_llama
from transformers.models.qwen3 import modeling_qwen3

from pipeline.training.rotations import Halves, Neighbours, find_function


def build(kind):
    angles = torch.linspace(0, 4, 15).view(5, 3)
    if kind is Neighbours:
        return Neighbours(torch.polar(torch.ones(5, 3), angles))
    return Halves(angles.cos().repeat(1, 2), angles.sin().repeat(1, 2))


@pytest.mark.parametrize("kind", [Halves, Neighbours])
def test_turned_back_heads_are_what_they_were(kind):
    heads = torch.randn(2, 4, 6)
    turned = heads.clone()
    build(kind).turn(turned)
    assert not torch.allclose(turned[:, 1:], heads[:, 1:], atol=0.1)
    build(kind).turn_back(turned)
    assert torch.allclose(turned, heads, atol=1e-6)


@pytest.mark.parametrize("file", [modeling_llama, modeling_qwen3, modeling_gemma])
def test_functions_that_turn_halves_are_found(file):
    assert find_function(file) is file.apply_rotary_pos_emb


@pytest.mark.parametrize("file", [modeling_cohere, modeling_gpt2])
def test_functions_that_turn_neighbours_or_nothing_are_not(file):
    assert find_function(file) is None
