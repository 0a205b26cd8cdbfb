"""Added tokens: kept whole, given back as they stood, and known to the model; the rest is as it was."""

import copy

import pytest
import torch
from builders import build_tiny_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.models.loading import load_model
from pipeline.models.prompts import PromptBuilder
from pipeline.models.special_tokens import (
    NEW_ROWS,
    add_special_tokens,
    describe_savings,
    grow_embeddings,
    load_special_tokens,
    save_special_tokens,
)

MARKS = ("#Person1#", "#Person10#", "&name1&", "[이름1]")
CORPUS = [
    "#Person1#: 서울에서 축제가 열렸다. &name1&과 [이름1]이 시민 100명과 갔다, </s> 왔다.",
    "#Person1#은 집에 갔고, 나에게 은 이 과 왔다. 서울에서 헌법재판소는 12월 3일, 청구인의 심판청구를 각하하였다.",
] * 20
KINDS = ["bpe", "metaspace", "t5", "llama", "wordpiece"]


def build_tokenizer(kind):
    """A tokenizer of each kind that Korean models have."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from pipeline.models.tokenizer import build_bpe_tokenizer

    if kind == "bpe":
        return build_bpe_tokenizer(CORPUS, 400, 128)
    if kind == "wordpiece":
        backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
        backend.normalizer = normalizers.BertNormalizer(lowercase=False)
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"])
    else:
        backend = Tokenizer(models.Unigram())
        metaspace = {"prepend_scheme": "first" if kind == "llama" else "always"}
        parts = [pre_tokenizers.Metaspace(**metaspace)]
        if kind == "t5":
            parts.insert(0, pre_tokenizers.WhitespaceSplit())
            spaces = normalizers.Replace(Regex(r"\s+"), " ")
            backend.normalizer = normalizers.Sequence([normalizers.NFKC(), spaces])
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Sequence(parts), decoders.Metaspace(**metaspace)
        trainer = trainers.UnigramTrainer(
            vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        )
    backend.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    """A tokenizer and its grown copy."""
    tokenizer = build_tokenizer(request.param)
    return tokenizer, add_special_tokens(tokenizer, MARKS)


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def test_token_is_one_and_is_given_back_where_the_model_gives_text_back(pair):
    tokenizer, grown = pair
    for mark in MARKS:
        (row,) = encode(grown, mark)
        assert grown.decode([row], skip_special_tokens=True) == mark
    text = "#Person1#은 서울에서 [이름1]에게 갔다, #Person10#이 &name1&과#Person1# 왔다."
    ids = encode(grown, text)
    decoded, plain = grown.decode(ids, skip_special_tokens=True), tokenizer.decode(encode(tokenizer, text))
    # BERT's vocabularies set spaces around every sign, with added tokens and without
    assert decoded == text or plain != text
    assert decoded.replace(" ", "") == text.replace(" ", "")
    assert len(ids) < len(encode(tokenizer, text))


PIECES = st.lists(st.sampled_from([*MARKS, "은", " ", "서울에서 ", "축제", ".", "100명", "#"]), min_size=1, max_size=8)


@settings(deadline=None, derandomize=True, max_examples=25, suppress_health_check=list(HealthCheck))
@given(pieces=PIECES)
def test_any_text_with_marks_comes_back_as_it_would_without_them(pair, pieces):
    tokenizer, grown = pair
    text = " ".join("".join(pieces).split())
    if tokenizer.decode(encode(tokenizer, text)) == text:
        assert grown.decode(encode(grown, text), skip_special_tokens=True) == text


def test_text_without_marks_is_read_as_ever_and_the_tokenizer_is_left_alone(pair):
    tokenizer, grown = pair
    text = "서울에서 축제가 열렸다.\n시민 100명이 #갔다#"
    assert encode(grown, text) == encode(tokenizer, text)
    assert not tokenizer.get_added_vocab().keys() & set(MARKS)
    assert add_special_tokens(tokenizer, ()) is tokenizer


def test_documents_still_cannot_end_their_prompt(tokenizer, make_params):
    builder = PromptBuilder(tokenizer, make_params().prompt, "head", 128, False).add_special_tokens(MARKS)
    prompt = builder.build_prompts(["#Person1#은 <|endoftext|>에 <|pad|> 갔다."])[0].input_ids
    assert not {builder.tokenizer.eos_token_id, builder.tokenizer.pad_token_id} & set(prompt)
    assert builder.tokenizer.convert_tokens_to_ids("#Person1#") in prompt
    bare = builder.drop_special_tokens()
    assert (bare.tokenizer, bare.special_tokens) == (tokenizer, ())


def test_tokens_survive_saving_and_loading(pair, tmp_path):
    from transformers import AutoTokenizer

    _, grown = pair
    grown.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "#Person1#은 서울에서 [이름1]에게 갔다."
    assert encode(loaded, text) == encode(grown, text)
    assert loaded.decode(encode(loaded, text)) == grown.decode(encode(grown, text))
    assert load_special_tokens(tmp_path) == ()
    save_special_tokens(MARKS, tmp_path)
    assert load_special_tokens(tmp_path) == MARKS


def test_tokens_that_cannot_be_kept_are_refused(tokenizer):
    from transformers import ByT5Tokenizer

    with pytest.raises(InputError, match=r"model\.special_tokens: '<\|pad\|>': the tokenizer uses it itself"):
        add_special_tokens(tokenizer, ["#a#", "<|pad|>"])
    # written in Python, they split all that was added where `</s>` is to stay text
    with pytest.raises(InputError, match=r"model\.special_tokens: '#a#': this model's tokenizer cannot keep"):
        add_special_tokens(ByT5Tokenizer(), ["#a#"])


def test_tokenizer_that_moves_spaces_is_refused(tokenizer):
    from tokenizers import decoders, normalizers

    other = copy.deepcopy(tokenizer)
    other._tokenizer.normalizer = normalizers.Prepend(" ")
    other._tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    with pytest.raises(InputError, match="puts a space behind every added token"):
        add_special_tokens(other, ["#a#"])


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
@pytest.mark.parametrize("spare", [0, 9])
def test_new_rows_begin_at_their_pieces_and_old_ones_stay(family, spare, tokenizer):
    grown = add_special_tokens(tokenizer, MARKS)
    model = build_tiny_model(family, len(tokenizer) + spare)
    old = [model.get_input_embeddings().weight.clone(), model.get_output_embeddings().weight.clone()]
    grow_embeddings(model, tokenizer, grown, MARKS)
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    assert embeddings.num_embeddings == len(tokenizer) + max(spare, len(MARKS)) == model.config.vocab_size
    assert getattr(model, NEW_ROWS) == [*range(len(tokenizer), len(grown))]
    for before, layer in zip(old, (embeddings, head), strict=True):
        assert layer.weight[: len(tokenizer)].equal(before[: len(tokenizer)])
        for row, mark in zip(getattr(model, NEW_ROWS), MARKS, strict=True):
            assert torch.allclose(layer.weight[row], before[encode(tokenizer, mark)].mean(0))
    assert (embeddings.weight is head.weight) == model.config.tie_word_embeddings
    ids = torch.tensor([encode(grown, "#Person1#은 갔다.")])
    inputs = {"input_ids": ids} | ({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {})
    assert model(**inputs).logits.shape[-1] == embeddings.num_embeddings


def test_loaded_base_grows_and_a_mismatch_is_refused_as_ever(model_folder, make_params, tokenizer):
    from pipeline.models.base import load_base

    base, params = load_base(model_folder), make_params(**{"model.precision": "fp32"}).model
    model, grown = load_model(base, params, device="cpu", special_tokens=MARKS)
    assert model.get_input_embeddings().num_embeddings == len(grown) == len(tokenizer) + 4
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_tokens(["#more#"])
    tokenizer.save_pretrained(model_folder)
    with pytest.raises(InputError, match="tokens, but the model embeds only"):
        load_model(base, params, device="cpu", special_tokens=MARKS)


def test_savings_are_counted_over_documents(tokenizer):
    grown = add_special_tokens(tokenizer, MARKS)
    text = "#Person1#"
    before = len(encode(tokenizer, text))
    line = describe_savings(tokenizer, grown, MARKS, [text, text])
    assert line.startswith(f"special tokens: 4 (#Person1#, #Person10#, …) save {before - 1} of {before} tokens")
