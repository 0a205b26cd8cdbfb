"""What is kept of a document that does not fit, and the parts into which it can be cut."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.competition.text.sentences import split_pieces, split_sentences
from pipeline.errors import InputError
from pipeline.models.prompts import PromptBuilder
from pipeline.models.truncation import (
    VOCABULARY,
    Idf,
    Truncation,
    fit_idf,
    keep_salient,
    load_truncation,
    rank_by_centrality,
    save_truncation,
    split_to_fit,
)

NO_IDF = Idf(0, {})
ANY_TEXT = st.text(alphabet="가나다서울축제 1\n.!😀", max_size=200)


def count_characters(texts):
    """A tokenizer of which a character is a token."""
    return [[ord(character) for character in text] for text in texts]


def keep(text, room, idf=NO_IDF):
    return "".join(map(chr, keep_salient(text, room, count_characters, idf)))


def test_sentence_that_shares_most_terms_with_the_others_is_most_central():
    sentences = ["비가 왔다.", "서울 축제가 열렸다.", "서울 축제에 시민이 왔다.", "시민은 서울 사람이다."]
    assert rank_by_centrality(sentences, NO_IDF)[0] == 2
    assert rank_by_centrality(["가나", "가나", "가나"], NO_IDF) == [0, 1, 2]


def test_terms_that_stand_in_every_training_document_make_no_sentence_central():
    sentences = ["습니다 하나", "습니다 둘이", "서울 축제", "서울 축제"]
    assert rank_by_centrality([*sentences, "습니다 셋이"], NO_IDF)[0] == 0
    idf = fit_idf(["습니다 가나", "습니다 다라", "습니다 마바"])
    assert idf.weigh("습니") == 1 < idf.weigh("가나") < idf.weigh("축제")
    assert rank_by_centrality([*sentences, "습니다 셋이"], idf)[0] == 2


def test_central_sentences_that_fit_stand_in_the_order_of_the_document():
    text = "서울 축제가 열렸다. 비가 왔다.\n서울 축제에 시민이 많이 왔다. 서울 축제는 끝."
    assert keep(text, 36) == "서울 축제가 열렸다. 서울 축제에 시민이 많이 왔다."
    # the second of them does not fit beside the first, and the third does
    assert keep(text, 27) == "서울 축제에 시민이 많이 왔다. 서울 축제는 끝."
    assert keep(text, 10) == "서울 축제는 끝."
    # the most central of those of which none fits is cut
    assert keep(text, 4) == "서울 축제에 시민이 많이 왔다."[:4]
    assert keep(" \n ", 2) == " \n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY_TEXT, room=st.integers(1, 60))
def test_salient_prompt_never_exceeds_its_room_and_training_sees_what_decoding_sees(tokenizer, text, room):
    params = SimpleNamespace(template="{text}\n요약: ", max_summary_tokens=20, max_document_tokens=room)
    builder = PromptBuilder(tokenizer, params, "salient", 128, False, idf=fit_idf([text]))
    (prompt,), ((ids, label),) = builder.build_prompts([text]), builder.build_training_examples([text], ["끝"], ["a"])
    assert ids == prompt.input_ids + label
    assert prompt.kept_tokens == len(prompt.input_ids) - sum(map(len, builder.frame)) <= room
    (kept,) = builder.read_documents([prompt])
    if prompt.document_tokens <= room:
        assert kept == text
    else:
        # whole sentences in their order, or the beginning of one
        left = iter(split_sentences(text))
        whole = all(sentence in left for sentence in split_sentences(kept))
        assert whole or any(piece.startswith(kept.replace("\ufffd", "")) for piece in split_pieces(text)) or not left


@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT, room=st.integers(1, 60))
def test_parts_fit_and_are_the_document(text, room):
    parts = split_to_fit(text, room, len)
    assert all(len(part) <= room for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert parts == [text] or len(text) > room


def test_parts_end_where_sentences_end_and_are_of_like_length():
    assert split_to_fit("하나다. 둘이다. 셋이다. 넷이다. 다섯이다.", 12, len) == [
        "하나다. 둘이다.",
        "셋이다.",
        "넷이다. 다섯이다.",
    ]
    assert split_to_fit("글자뿐이다", 2, len) == ["글", "자뿐", "이다"]
    # what no cut makes shorter is left as it is
    assert split_to_fit("😀", 1, lambda text: 4 * len(text)) == ["😀"]


@pytest.mark.parametrize("truncation", [Truncation("tail"), Truncation("salient", fit_idf(["서울 축제", "서울"]))])
def test_decision_is_read_as_it_was_written_and_the_file_holds_nothing_else(truncation, tmp_path):
    path = tmp_path / "truncation.json"
    save_truncation(truncation, path)
    assert load_truncation(path) == truncation
    assert set(json.loads(path.read_text())) <= {"truncation", "idf"}


@pytest.mark.parametrize("content", ["[]", "{}", '{"truncation": "salient", "idf": {"documents": 1}}', "{"])
def test_file_that_holds_no_decision_is_refused_by_name(content, tmp_path):
    path = tmp_path / "truncation.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"truncation\.json: is not "):
        load_truncation(path)


def test_commonest_terms_alone_are_remembered():
    words = [chr(0xAC00 + n) for n in range(VOCABULARY + 10)]
    idf = fit_idf([" ".join(words), words[-1]])
    assert (len(idf.frequencies), idf.documents, idf.frequencies[words[-1]]) == (VOCABULARY, 2, 2)
