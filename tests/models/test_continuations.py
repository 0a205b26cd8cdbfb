"""Tokens and texts of continuations: white space stays, and what is read is what was learnt."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.models.continuations import encode_continuations, encode_texts, get_block_size, read_continuation
from pipeline.models.prompts import PromptBuilder


@settings(max_examples=50, deadline=None)
@given(st.text("서울 축제\n가다.</s>", min_size=1).filter(str.strip), st.text("서울 축제\n가다.</s>"))
def test_opening_and_continuation_read_back_are_the_text(opening, rest):
    from pipeline.models.tokenizer import build_bpe_tokenizer

    tokenizer = build_bpe_tokenizer(["서울에서 축제가 열렸다.\n가다."] * 3, 300, 128)
    prompt, (tokens,) = encode_texts(tokenizer, [opening])[0], encode_continuations(tokenizer, [opening], [rest])
    text, count, finished = read_continuation(prompt, [*tokens, tokenizer.eos_token_id, 5], tokenizer)
    assert (text, count, finished) == (rest.rstrip(), len(tokens) + 1, True)


def test_continuation_has_the_tokens_that_the_whole_text_has(tokenizer):
    opening, rest = "1일 서울에서 축제가 열렸다.", " 시민 100명이 참여했다."
    whole = encode_texts(tokenizer, [opening + rest])[0]
    (tokens,) = encode_continuations(tokenizer, [opening], [rest])
    assert encode_texts(tokenizer, [opening])[0] + tokens == whole
    # an opening that ends within a token of the whole text: what follows is as a model would have to write it
    assert encode_continuations(tokenizer, ["축"], ["제가"]) == encode_texts(tokenizer, ["제가"])


def test_half_a_syllable_at_the_cap_is_no_text(tokenizer):
    tokens = encode_texts(tokenizer, ["쀍"])[0]
    assert len(tokens) == 3
    assert read_continuation([], tokens[:2], tokenizer) == ("", 2, False)


def test_block_fits_into_the_context_of_a_causal_model(tokenizer, make_params):
    params = make_params()
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    sizes = [params.generation.model_copy(update={"block_size": size}) for size in (None, 64, 129)]
    assert [get_block_size(builder, size) for size in sizes[:2]] == [128, 64]
    with pytest.raises(InputError, match=r"generation\.block_size: 129 does not fit into a context of 128"):
        get_block_size(builder, sizes[2])
    with pytest.raises(InputError, match="task: generation needs a causal model"):
        get_block_size(PromptBuilder(tokenizer, params.prompt, "head", 128, True), sizes[0])
