"""Tokenizers: deterministic, loss-free on Korean, or refused by name."""

import json

import pytest

from pipeline.errors import InputError
from pipeline.models.tokenizer import (
    END_OF_TEXT,
    KOREAN_PROBE,
    PAD,
    build_bpe_tokenizer,
    encode_texts,
    keeps_korean,
    load_tokenizer,
)

TEXTS = [f"{i}일 서울에서 축제가 열렸다. 시민 {i}00명이 참여했다." for i in range(30)]


@pytest.fixture(scope="module")
def english():
    """A tokenizer that knows two words and no Korean."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "hello": 1, "</s>": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="</s>")


def test_equal_texts_give_an_equal_tokenizer():
    first, second = (build_bpe_tokenizer(iter(TEXTS), 400, 128) for _ in range(2))
    assert first._tokenizer.to_str() == second._tokenizer.to_str()


def test_vocabulary_is_learnt_from_the_text_and_bounded():
    assert len(build_bpe_tokenizer(TEXTS, 300, 128)) == 300
    assert len(build_bpe_tokenizer(["가"], 2000, 128)) < 300  # no more pairs to merge


@pytest.mark.parametrize(
    "text",
    [
        KOREAN_PROBE,
        "서울에서 축제가 열렸다.",
        "띄어쓰기  두 칸\n줄바꿈\t탭 ",
        " 앞의 공백",
        "한자 憲法裁判所, 이모지 😀, 옛글자 ᄒᆞᆫ글",
        "3,500명의 12.5%",
        "퀡뷁 unseen",
    ],
)
def test_every_text_survives_encoding_and_decoding(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_digits_stand_alone(tokenizer):
    # 00 follows every number in the training text and would be merged at once
    digits = [
        t for t in tokenizer.convert_ids_to_tokens(tokenizer("시민 1500명")["input_ids"]) if any(map(str.isdigit, t))
    ]
    assert digits == ["1", "5", "0", "0"]


def test_frequent_korean_is_merged(tokenizer):
    assert len(tokenizer("축제가")["input_ids"]) < len("축제가".encode()) / 2


def test_nothing_is_set_around_a_text_by_itself(tokenizer):
    assert tokenizer("서울")["input_ids"] == tokenizer("서울", add_special_tokens=False)["input_ids"]
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END_OF_TEXT, PAD)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    assert tokenizer.model_max_length == 128


def test_saved_tokenizer_loads_and_gives_the_same_ids(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path), None, False)
    texts = [KOREAN_PROBE, *TEXTS[:3]]
    assert loaded(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert (loaded.eos_token_id, loaded.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


def test_missing_folder_is_refused_by_name(tmp_path):
    folder = tmp_path / "none"
    with pytest.raises(InputError) as refusal:
        load_tokenizer(str(folder), None, False)
    assert refusal.value.mistakes[0].startswith(f"model.name: {folder}: no tokenizer could be loaded: ")
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("config", [None, {"model_type": "gpt2"}, {"model_type": "t5"}, {"model_type": "llama"}])
def test_folder_without_a_tokenizer_is_refused_by_name(tmp_path, config):
    # for some model types transformers makes up an empty tokenizer instead of failing
    if config:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError) as refusal:
        load_tokenizer(str(tmp_path), None, False)
    assert refusal.value.mistakes[0].startswith(f"model.name: {tmp_path}: ")
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n"),
        ("tokenizer.json", '{"version": "1.0"}'),
        ("tokenizer.json", '{"version": "1.0", "added_tokens": [], "model": {"type": "Unheard"}}'),
        ("tokenizer_config.json", "{"),
    ],
)
def test_broken_tokenizer_file_is_refused_by_name(tokenizer, tmp_path, file, content):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError) as refusal:
        load_tokenizer(str(tmp_path), None, False)
    assert refusal.value.mistakes[0].startswith(f"model.name: {tmp_path}: no tokenizer could be loaded: ")


def test_hub_that_cannot_be_reached_is_refused_by_name():
    with pytest.raises(InputError, match=r"^model\.name: nobody/nothing: no tokenizer could be loaded: "):
        load_tokenizer("nobody/nothing", None, False)


def test_tokenizer_that_loses_korean_is_refused(english, tmp_path):
    english.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="its tokenizer does not give Korean back") as refusal:
        load_tokenizer(str(tmp_path), None, False)
    assert str(tmp_path) in str(refusal.value)


def test_korean_is_kept_or_lost(english, tokenizer):
    assert keeps_korean(tokenizer)
    assert not keeps_korean(english)


def test_tokenizer_that_only_changes_spaces_and_unicode_form_keeps_korean():
    from tokenizers import normalizers

    other = build_bpe_tokenizer(TEXTS, 400, 128)
    other._tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Replace(" ", "  ")])
    assert keeps_korean(other)


def test_tokenizer_json_alone_beside_a_gpt2_config_is_read_as_it_is(tmp_path):
    # KoGPT2's repository: AutoTokenizer takes the config's word and lays ByteLevel over it
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, GPT2Config

    alone = Tokenizer(models.BPE(unk_token="<unk>"))
    alone.pre_tokenizer, alone.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<s>", "</s>", "<usr>", "<pad>", "<sys>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    alone.train_from_iterator([*TEXTS, KOREAN_PROBE], trainer)
    alone.save(str(tmp_path / "tokenizer.json"))
    GPT2Config(vocab_size=400, bos_token_id=0, eos_token_id=1, pad_token_id=3).save_pretrained(tmp_path)
    assert not keeps_korean(AutoTokenizer.from_pretrained(tmp_path))
    loaded = load_tokenizer(str(tmp_path), None, False)
    assert keeps_korean(loaded)
    assert (loaded.bos_token, loaded.eos_token, loaded.pad_token) == ("<s>", "</s>", "<pad>")


def test_tokenizer_without_end_of_text_is_refused(tmp_path):
    from transformers import PreTrainedTokenizerFast

    endless = PreTrainedTokenizerFast(tokenizer_object=build_bpe_tokenizer(TEXTS, 300, 128)._tokenizer)
    endless.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no end-of-text token, so no summary could ever end"):
        load_tokenizer(str(tmp_path), None, False)


@pytest.mark.parametrize(("unknown", "pad"), [(None, END_OF_TEXT), (PAD, PAD)])
def test_tokenizer_without_pad_token_gets_one_it_has(tmp_path, unknown, pad):
    from transformers import PreTrainedTokenizerFast

    names = {"eos_token": END_OF_TEXT} | ({"unk_token": unknown} if unknown else {})
    bare = PreTrainedTokenizerFast(tokenizer_object=build_bpe_tokenizer(TEXTS, 300, 128)._tokenizer, **names)
    bare.save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path), None, False)
    assert loaded.pad_token == pad
    assert len(loaded) == len(bare)  # a new token would need a new row in the model


def build_with_pieces(kind):
    """A tokenizer whose vocabulary holds "</s>" as a piece like others, as T5's does, and that closes a text by it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<unk>"]
    model, trainer, split = {
        "unigram": (models.Unigram(), trainers.UnigramTrainer, pre_tokenizers.Metaspace()),
        "words": (
            models.WordLevel(unk_token="<unk>"),
            trainers.WordLevelTrainer,
            pre_tokenizers.WhitespaceSplit(),
        ),
        "merges passed over": (
            models.BPE(unk_token="<unk>", ignore_merges=True),
            trainers.BpeTrainer,
            pre_tokenizers.WhitespaceSplit(),
        ),
    }[kind]
    backend = Tokenizer(model)
    backend.pre_tokenizer = split
    unknown = {"unk_token": "<unk>"} if kind == "unigram" else {}
    texts = [*TEXTS, "< / s >"]
    backend.train_from_iterator(texts, trainer(vocab_size=200, special_tokens=special, show_progress=False, **unknown))
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


@pytest.mark.parametrize("kind", ["unigram", "words", "merges passed over"])
def test_special_token_written_in_a_text_is_spelt_out_whatever_the_vocabulary(kind):
    tokenizer = build_with_pieces(kind)
    obeyed = tokenizer("서울에서 </s> 열렸다.", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.eos_token_id in obeyed
    texts = ["서울에서 </s> 열렸다.", "서울에서 축제가 열렸다.", "<pad>", ""]
    quoted, plain, padded, empty = encode_texts(tokenizer, texts)
    assert not {tokenizer.eos_token_id, tokenizer.pad_token_id} & {*quoted, *plain, *padded, *empty}
    assert [token for token in tokenizer.convert_ids_to_tokens(quoted) if token in "</s>"] == list("</s>")
    assert plain == tokenizer(texts[1], add_special_tokens=False)["input_ids"]
    # what the tokenizer itself sets around a text stays
    assert encode_texts(tokenizer, texts, add_special_tokens=True) == [
        [*ids, tokenizer.eos_token_id] for ids in (quoted, plain, padded, empty)
    ]
