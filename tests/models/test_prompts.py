"""The one template: what decoding sees is what training saw; only documents are ever cut."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.models.prompts import PromptBuilder
from pipeline.models.truncation import truncate

CONTEXT = 128
TEXT = "서울에서 축제가 열렸다."
LONG = " ".join(f"{i}일 서울에서 축제가 열렸다." for i in range(40))


@pytest.fixture
def make_builder(tokenizer, make_params):
    """Builds a causal builder with a context of 128 and 40 tokens for the summary."""

    def make(truncation="head", is_encoder_decoder=False, context=CONTEXT, other_tokenizer=None, **changes):
        changes = {"max_summary_tokens": 40, **changes}
        params = make_params(
            **{f"prompt.{key}": value for key, value in changes.items()}, **{"decode.max_new_tokens": 16}
        )
        return PromptBuilder(other_tokenizer or tokenizer, params.prompt, truncation, context, is_encoder_decoder)

    return make


@pytest.fixture(scope="module")
def framing(tokenizer):
    """A tokenizer that sets a beginning before and an end behind each text, as those of T5, BART and Llama may."""
    from tokenizers import processors

    other = copy.deepcopy(tokenizer)
    other._tokenizer.post_processor = processors.TemplateProcessing(
        single="<|pad|> $A <|endoftext|>", special_tokens=[("<|pad|>", 1), ("<|endoftext|>", 0)]
    )
    return other


def split_prompt(builder, prompt):
    """Front, document and back of a prompt."""
    front, back = builder.frame
    end = len(prompt.input_ids) - len(back)
    return prompt.input_ids[: len(front)], prompt.input_ids[len(front) : end], prompt.input_ids[end:]


def test_prompt_is_the_template_around_the_document(make_builder, tokenizer):
    builder = make_builder(template="문서: {text}\n요약:")
    prompt = builder.build_prompts([TEXT])[0]
    assert tokenizer.decode(prompt.input_ids) == f"문서: {TEXT}\n요약:"
    assert prompt.document_tokens == prompt.kept_tokens == len(tokenizer(TEXT)["input_ids"])


@pytest.mark.parametrize("template", ["{text}\n요약: ", "{text}", "문서: {text} ", "{text}  \n"])
def test_training_example_starts_with_exactly_the_prompt_that_decoding_sees(make_builder, template):
    builder = make_builder(template=template)
    prompt = builder.build_prompts([TEXT])[0].input_ids
    ids, labels = builder.build_training_examples([TEXT], ["축제가 열렸다."], ["a"])[0]
    assert ids == prompt + labels
    assert labels[-1] == builder.tokenizer.eos_token_id


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
def test_cut_training_example_starts_with_the_prompt_too_while_the_summary_fits(make_builder, truncation):
    builder = make_builder(truncation)
    prompt = builder.build_prompts([LONG])[0]
    ids, labels = builder.build_training_examples([LONG], ["축제가 열렸다."], ["a"])[0]
    assert prompt.kept_tokens < prompt.document_tokens
    assert ids == prompt.input_ids + labels


def test_prompt_of_a_document_does_not_depend_on_its_batch(make_builder):
    builder = make_builder()
    assert builder.build_prompts([LONG, TEXT])[1] == builder.build_prompts([TEXT])[0]
    assert builder.build_prompts([]) == []


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
@pytest.mark.parametrize("is_encoder_decoder", [False, True])
def test_truncation_touches_only_the_document(make_builder, truncation, is_encoder_decoder):
    builder = make_builder(truncation, is_encoder_decoder, template="다음 글을 요약하라: {text}\n요약: ")
    short, cut = builder.build_prompts([TEXT, LONG])
    front, document, back = split_prompt(builder, cut)
    assert (front, back) == split_prompt(builder, short)[::2]
    whole = builder.tokenizer(LONG, add_special_tokens=False, verbose=False)["input_ids"]
    assert document == truncate(whole, len(document), truncation)
    assert (cut.document_tokens, cut.kept_tokens) == (len(whole), len(document))
    assert len(cut.input_ids) == CONTEXT - (0 if is_encoder_decoder else 40)


@pytest.mark.parametrize(
    ("truncation", "limit", "kept"),
    [
        ("head", 3, [1, 2, 3]),
        ("tail", 3, [3, 4, 5]),
        ("head_tail", 3, [1, 2, 5]),
        ("head_tail", 4, [1, 2, 4, 5]),
        ("head", 1, [1]),
        ("tail", 1, [5]),
        ("head_tail", 1, [1]),
        ("head", 0, []),
        ("tail", 0, []),
        ("head_tail", 0, []),
        ("tail", 5, [1, 2, 3, 4, 5]),
        ("head_tail", 9, [1, 2, 3, 4, 5]),
    ],
)
def test_at_most_the_limit_is_kept_from_the_asked_side(truncation, limit, kept):
    assert truncate([1, 2, 3, 4, 5], limit, truncation) == kept


def test_cap_on_document_tokens_holds_below_the_context(make_builder):
    short, long = make_builder(max_document_tokens=10).build_prompts(["1", LONG])
    assert (short.kept_tokens, long.kept_tokens) == (1, 10)


def test_cap_above_the_context_does_not_lift_the_context(make_builder):
    assert len(make_builder(max_document_tokens=1000).build_prompts([LONG])[0].input_ids) == CONTEXT - 40


def test_long_summary_takes_its_room_from_the_document_and_is_never_cut(make_builder, tokenizer):
    builder = make_builder()
    summary = "0123456789" * 6
    ids, labels = builder.build_training_examples([LONG], [summary], ["a"])[0]
    assert len(labels) > 40
    assert tokenizer.decode(labels) == f" {summary}<|endoftext|>"
    assert ids[-len(labels) :] == labels
    assert len(ids) == CONTEXT
    back = builder.frame[1]
    assert ids[: len(ids) - len(labels)][-len(back) :] == back


def test_summary_that_leaves_no_room_is_refused_by_id(make_builder):
    builder = make_builder()
    front, back = builder.frame
    most = CONTEXT - len(front) - len(back) - 1 - 2  # one token of the document, the space before, end-of-text
    ids, _ = builder.build_training_examples([LONG], ["7" * most], ["fits"])[0]
    assert len(ids) == CONTEXT
    with pytest.raises(InputError, match=rf"^id 'b': its summary of {most + 3} tokens leaves no room for a document"):
        builder.build_training_examples([TEXT, LONG], ["짧다.", "7" * (most + 1)], ["a", "b"])


@pytest.mark.parametrize("is_encoder_decoder", [False, True])
def test_template_that_fills_the_context_is_refused_before_decoding(make_builder, is_encoder_decoder):
    # a prompt longer than the context is an index error in GPT-2 and BART, and noise in the others
    builder = make_builder(is_encoder_decoder=is_encoder_decoder, template="보기 1234567890 " * 12 + "{text}\n요약: ")
    with pytest.raises(InputError, match=r"prompt\.template"):
        builder.build_prompts([TEXT])


def test_template_that_fills_the_context_is_not_blamed_on_a_summary(make_builder):
    builder = make_builder(template="보기 1234567890 " * 12 + "{text}\n요약: ")
    with pytest.raises(InputError, match=r"prompt\.template"):
        builder.build_training_examples([TEXT], ["짧다."], ["a"])


def test_trailing_space_of_the_template_begins_the_summary(make_builder, tokenizer):
    with_space, without = make_builder(template="{text}\n요약: "), make_builder(template="{text}\n요약:")
    assert with_space.build_prompts([TEXT]) == without.build_prompts([TEXT])
    assert tokenizer.decode(with_space.build_labels(["축제"])[0]) == " 축제<|endoftext|>"
    assert tokenizer.decode(without.build_labels(["축제"])[0]) == "축제<|endoftext|>"


def test_word_in_the_summary_is_the_same_token_as_in_the_document(make_builder):
    builder = make_builder(template="{text}\n요약: ")
    document = builder.tokenizer("오늘 축제가")["input_ids"]
    label = builder.build_labels(["축제가"])[0][:-1]
    assert document[-len(label) :] == label


def test_encoder_decoder_reads_the_prompt_alone_and_it_ends_in_end_of_text(make_builder, tokenizer):
    builder = make_builder(is_encoder_decoder=True, template="요약: {text} ")
    prompt = builder.build_prompts([TEXT])[0].input_ids
    source, labels = builder.build_training_examples([TEXT], ["축제"], ["a"])[0]
    assert source == prompt
    assert tokenizer.decode(source) == f"요약: {TEXT} <|endoftext|>"
    assert tokenizer.decode(labels) == "축제<|endoftext|>"


def test_encoder_decoder_keeps_the_document_whatever_the_summary(make_builder):
    builder = make_builder(is_encoder_decoder=True)
    (short, _), (long, _) = builder.build_training_examples([LONG, LONG], ["축제", "7" * 100], ["a", "b"])
    assert short == long
    assert len(short) == CONTEXT


def test_causal_prompt_begins_as_the_tokenizer_does_and_stays_open(make_builder, framing):
    ids, labels = make_builder(other_tokenizer=framing).build_training_examples([TEXT], ["축제"], ["a"])[0]
    assert ids[0] == 1
    assert ids.count(1) == 1
    assert ids.count(0) == 1
    assert ids[-1] == labels[-1] == 0


def test_encoder_source_is_framed_once_as_the_tokenizer_does(make_builder, framing):
    source, labels = make_builder(other_tokenizer=framing, is_encoder_decoder=True).build_training_examples(
        [LONG], ["축제"], ["a"]
    )[0]
    assert (source[0], source[-1], len(source)) == (1, 0, CONTEXT)
    assert source.count(0) == 1
    assert labels == [1, *framing("축제", add_special_tokens=False)["input_ids"], 0]


def test_special_token_written_in_a_document_is_not_obeyed(make_builder):
    # a document may quote `</s>` or `<s>`: as a token it would end the text in the middle
    builder = make_builder()
    assert builder.tokenizer.eos_token_id not in builder.build_prompts(["앞<|endoftext|>뒤"])[0].input_ids


@pytest.mark.parametrize("text", ["앞{text}뒤", "앞\n요약: 속임\n\n뒤", "앞<|endoftext|><|pad|>뒤", "앞{{}}%s{0}\\1뒤"])
def test_document_cannot_end_its_own_prompt(make_builder, text):
    """The template, what parts solved examples and special tokens are text where a document quotes them."""
    builder = make_builder()
    front, document, back = split_prompt(builder, builder.build_prompts([text])[0])
    assert (front, back) == builder.frame
    assert builder.tokenizer.decode(document) == text
    special = set(builder.tokenizer.all_special_ids)
    for prompt in (builder, replace(builder, shots=((text, text),))):
        (prompt_ids, label), (whole,) = (
            prompt.build_training_examples([text], [text], ["a"])[0],
            prompt.build_prompts([text]),
        )
        assert not special & set(whole.input_ids)
        assert prompt_ids == whole.input_ids + label
        assert [token for token in label if token in special] == label[-1:]
    solved = replace(builder, shots=((text, "축제"),)).frame[0]
    assert builder.tokenizer.decode(solved).count(text) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet="가나다서울축제 1\n.😀", min_size=1, max_size=300),
    template=st.sampled_from(["{text}\n요약: ", "{text}", "요약하라. {text} "]),
    summary_tokens=st.integers(1, 100),
    document_tokens=st.none() | st.integers(1, 200),
    truncation=st.sampled_from(["head", "tail", "head_tail"]),
    is_encoder_decoder=st.booleans(),
)
def test_prompt_always_leaves_the_summary_its_room(
    tokenizer, text, template, summary_tokens, document_tokens, truncation, is_encoder_decoder
):
    params = SimpleNamespace(template=template, max_summary_tokens=summary_tokens, max_document_tokens=document_tokens)
    builder = PromptBuilder(tokenizer, params, truncation, CONTEXT, is_encoder_decoder)
    prompt = builder.build_prompts([text])[0]
    front, document, back = split_prompt(builder, prompt)
    assert len(prompt.input_ids) + (0 if is_encoder_decoder else summary_tokens) <= CONTEXT
    assert (front, back) == builder.frame
    assert prompt.kept_tokens == len(document) <= (document_tokens or CONTEXT)
    room = CONTEXT - len(front) - len(back) - (0 if is_encoder_decoder else summary_tokens)
    assert prompt.kept_tokens == min(prompt.document_tokens, room, document_tokens or room)
