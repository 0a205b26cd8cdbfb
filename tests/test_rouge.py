"""ROUGE: korouge-score's numbers, without what white space and Unicode forms cost."""

import unicodedata

import pytest
from korouge_score.rouge_scorer import RougeScorer

from pipeline.scoring.rouge import METRICS, build_tokenizer, compute_rouge, describe_tokenizer, normalise_summary

PREDICTION = "서울에서 열린 축제에 시민 500명이 참여했다."
REFERENCE = "시민 500명이 서울 축제에 참여했다."


def score_directly(prediction, reference, tokenizer):
    """korouge-score as its README calls it."""
    scores = RougeScorer(list(METRICS), tokenizer=build_tokenizer(tokenizer)).score(reference, prediction)
    return [scores[metric].fmeasure for metric in METRICS]


def score(prediction, *references, tokenizer="mecab"):
    return compute_rouge([prediction], [list(references)], tokenizer).iloc[0].tolist()


@pytest.mark.parametrize("tokenizer", ["mecab", "whitespace"])
@pytest.mark.parametrize(
    "prediction", [PREDICTION, REFERENCE, "축제", "전혀 다른 이야기다.", "시민 시민 시민 500명", "SEOUL Festival 2024"]
)
def test_scores_are_those_of_korouge_score(prediction, tokenizer):
    assert score(prediction, REFERENCE, tokenizer=tokenizer) == score_directly(prediction, REFERENCE, tokenizer)


def test_hand_computed_case_on_whitespace():
    # 가 나 라 of 가 나 다 라 (order kept), one bigram of 2 and 3
    rouge1, rouge2, rouge_l = score("가 나 라", "가 나 다 라", tokenizer="whitespace")
    assert rouge1 == pytest.approx(2 * 1 * 0.75 / 1.75)
    assert rouge2 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert rouge_l == pytest.approx(rouge1)
    # the same words in another order: only the subsequence shortens
    rouge1, rouge2, rouge_l = score("라 나 가", "가 나 다 라", tokenizer="whitespace")
    assert (rouge1, rouge2) == (pytest.approx(2 * 0.75 / 1.75), 0)
    assert rouge_l == pytest.approx(2 * (1 / 3) * (1 / 4) / (1 / 3 + 1 / 4))


def test_mecab_rewards_stems_that_whitespace_does_not_see():
    assert score("서울에서", "서울에", tokenizer="whitespace") == [0, 0, 0]
    assert score("서울에서", "서울에", tokenizer="mecab")[0] == 0.5


def test_equal_texts_score_one():
    for tokenizer in ("mecab", "whitespace"):
        assert score(REFERENCE, REFERENCE, tokenizer=tokenizer) == [1, 1, 1]


@pytest.mark.parametrize("tokenizer", ["mecab", "whitespace"])
@pytest.mark.parametrize(
    ("prediction", "reference"), [("", ""), (" \n", ""), ("", REFERENCE), (PREDICTION, ""), ("", " ")]
)
def test_empty_texts_score_nothing(prediction, reference, tokenizer):
    assert score(prediction, reference, tokenizer=tokenizer) == [0, 0, 0]


def test_empty_against_empty_would_be_perfect_to_korouge_score():
    assert score_directly("", "", "whitespace")[0] == 1


@pytest.mark.parametrize(
    "prediction",
    [
        f"{REFERENCE}\n",
        f"  {REFERENCE}",
        REFERENCE.replace(" ", "  "),
        REFERENCE.replace(" ", "\n"),
        REFERENCE.replace(" ", "\u3000"),
        unicodedata.normalize("NFD", REFERENCE),
    ],
)
@pytest.mark.parametrize("tokenizer", ["mecab", "whitespace"])
def test_white_space_and_unicode_form_cost_nothing(prediction, tokenizer):
    assert score(prediction, REFERENCE, tokenizer=tokenizer) == [1, 1, 1]
    assert score(REFERENCE, prediction, tokenizer=tokenizer) == [1, 1, 1]


def test_without_normalisation_they_would_cost_much():
    assert score_directly("서울 축제 참여\n", "서울 축제 참여", "whitespace")[0] == pytest.approx(6 / 7)
    assert score_directly(unicodedata.normalize("NFD", REFERENCE), REFERENCE, "whitespace")[0] < 0.5


def test_normalised_summary_is_composed_and_on_one_line():
    assert normalise_summary(unicodedata.normalize("NFD", " 서울\n\t축제  열림 ")) == "서울 축제 열림"


def test_best_of_several_references_counts_metric_by_metric():
    # the first shares all words and no order, the second fewer words and two bigrams
    references = ["라 다 나 가", "가 나 다 마 바 사"]
    first, second = (score("가 나 다 라", reference, tokenizer="whitespace") for reference in references)
    assert first[0] > second[0]
    assert first[1] < second[1]
    assert score("가 나 다 라", *references, tokenizer="whitespace") == [
        max(pair) for pair in zip(first, second, strict=True)
    ]


def test_each_row_is_scored_against_its_own_references():
    frame = compute_rouge(["가", "나", "가"], [["가"], ["가"], ["나", "가"]], "whitespace")
    assert list(frame.columns) == ["rouge1", "rouge2", "rougeL"]
    assert frame["rouge1"].tolist() == [1, 0, 1]


def test_no_rows_give_no_scores():
    assert compute_rouge([], [], "whitespace").shape == (0, 3)


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["가"], [["가"], ["나"]], "1 predictions, 2 references"),
        (["가", "나"], [["가"]], "2 predictions, 1 references"),
        (["가", "나"], [["가"], []], "an example has no reference"),
    ],
)
def test_rows_that_do_not_match_are_an_error(predictions, references, message):
    with pytest.raises(ValueError, match=message):
        compute_rouge(predictions, references, "whitespace")


def test_tokenizer_is_described_with_its_version():
    from importlib.metadata import version

    mecab, dictionary = version("python-mecab-ko"), version("python-mecab-ko-dic")
    assert describe_tokenizer("mecab") == f"mecab (python-mecab-ko {mecab}, python-mecab-ko-dic {dictionary})"
    assert describe_tokenizer("whitespace") == f"whitespace (korouge-score {version('korouge-score')})"


def test_unknown_tokenizer_is_an_error():
    with pytest.raises(ValueError, match="unknown tokenizer 'kkma'; known: mecab, whitespace"):
        build_tokenizer("kkma")
