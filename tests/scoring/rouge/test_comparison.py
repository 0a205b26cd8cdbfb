"""ROUGE: korouge-score's numbers, without what white space and Unicode forms cost."""

import random
import unicodedata

import pandas as pd
import pytest
from builders import ROOT
from korouge_score.rouge_scorer import RougeScorer

from pipeline.scoring.rouge.comparison import ALL_METRICS, METRICS, Rouge, compare
from pipeline.scoring.rouge.pairs import compute_rouge, compute_rouge_details
from pipeline.scoring.rouge.tokenizers import build_tokenizer, normalise_summary

PREDICTION = "서울에서 열린 축제에 시민 500명이 참여했다."
REFERENCE = "시민 500명이 서울 축제에 참여했다."


ORACLE = ("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum")


class Tokens:
    """korouge-score's idea of a tokenizer."""

    def __init__(self, name):
        self.tokenize = build_tokenizer(name)


def score_directly(prediction, reference, tokenizer):
    """korouge-score as its README calls it."""
    scores = RougeScorer(list(METRICS), tokenizer=Tokens(tokenizer)).score(reference, prediction)
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


def draw_pairs(count, seed):
    """Pairs of texts, half of them real: summaries and leads of the sample; half random words on up to four lines."""
    draw = random.Random(seed)
    train = pd.read_csv(ROOT / "data/sample/train.csv")
    real = [*train["summary"], *(text[:150] for text in train["text"])]
    words = ["가", "나", "다", "라", "마", "바", "사", "서울에서", "열렸다", ".", "AI"]

    def invent():
        lines = (" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(draw.randint(1, 4)))
        return "\n".join(lines)

    for i in range(count):
        if i % 2:
            yield invent(), invent()
        else:
            # near each other, as a candidate and its reference are
            text = draw.choice(real)
            cut = draw.randint(0, len(text) // 2)
            yield text[cut:] + draw.choice(real)[: cut // 2], draw.choice([text, draw.choice(real)])


def assert_equals_oracle(pairs, tokenizer):
    rouge, oracle = Rouge(tokenizer), RougeScorer(list(ORACLE), tokenizer=Tokens(tokenizer))
    matched = 0
    for prediction, reference in pairs:
        # the oracle is given what ours makes of the texts; a line end is a sentence's end to ROUGE-Lsum alone
        texts = ["\n".join(map(normalise_summary, text.split("\n"))) for text in (reference, prediction)]
        plain = oracle.score(*map(normalise_summary, texts))
        expected = plain | {"rougeLsum": oracle.score(*texts)["rougeLsum"]}
        for metric in ORACLE:
            found = compare(rouge.build_profile(prediction), rouge.build_profile(reference), metric)
            assert found == pytest.approx(tuple(expected[metric]), abs=1e-12), (metric, prediction, reference)
            matched += 0 < found.fmeasure < 1
    assert matched > len(ORACLE)


@pytest.mark.parametrize("tokenizer", ["mecab", "whitespace"])
def test_every_metric_equals_korouge_score_on_random_and_real_pairs(tokenizer):
    assert_equals_oracle(draw_pairs(150, seed=1), tokenizer)


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", ["mecab", "whitespace"])
def test_every_metric_equals_korouge_score_on_ten_thousand_pairs(tokenizer):
    assert_equals_oracle(draw_pairs(10_000, seed=2), tokenizer)


def test_all_metrics_are_computed_with_precision_and_recall():
    frame = compute_rouge_details(["가 나 다"], [["가 나 다 라"]], "whitespace", ALL_METRICS)
    assert len(frame.columns) == 3 * len(ALL_METRICS)
    row = frame.iloc[0]
    assert (row["rouge1_precision"], row["rouge1_recall"]) == (1, 3 / 4)
    assert (row["rouge3_precision"], row["rouge3_recall"]) == (1, 1 / 2)
    assert row["rougeL"] == row["rougeLsum"] == pytest.approx(6 / 7)


def test_precision_and_recall_are_those_of_the_reference_that_matches_best():
    row = compute_rouge_details(["가 나"], [["가 다 라 마", "가 나 다"]], "whitespace").iloc[0]
    assert (row["rouge1_precision"], row["rouge1_recall"]) == (1, 2 / 3)


def test_summary_level_rouge_l_unites_the_subsequences_of_lines():
    # Lin 2004, section 3.2: w1 w2 w3 w4 w5 against two sentences gives the union w1 w2 w3 w5, recall 4/5
    row = compute_rouge_details(["1 2 6 7 8\n1 3 8 9 5"], [["1 2 3 4 5"]], "whitespace", ["rougeLsum"]).iloc[0]
    assert row["rougeLsum_recall"] == 4 / 5
    assert row["rougeLsum_precision"] == 4 / 10


def test_clipped_matches_count_a_repeated_word_as_often_as_both_have_it():
    row = compute_rouge_details(["가 가 가 나"], [["가 가 다"]], "whitespace").iloc[0]
    assert (row["rouge1_precision"], row["rouge1_recall"]) == (2 / 4, 2 / 3)


def test_each_distinct_text_is_tokenized_once():
    seen = []
    rouge = Rouge(lambda text: seen.append(text) or text.split())
    compute_rouge(["가 나", "다"], [["가", "나"], ["가 나"]], rouge)
    assert sorted(seen) == ["가", "가 나", "나", "다"]


def test_of_very_many_texts_only_those_that_are_held_are_kept(monkeypatch):
    seen = []
    rouge = Rouge(lambda text: seen.append(text) or text.split())
    for kept, again in ((3, []), (1, ["나"])):
        monkeypatch.setattr("pipeline.scoring.rouge.comparison._KEPT", kept)
        rouge.add(["가"])
        with rouge.holding(["가", "나"]):
            assert rouge.build_profile("나").tokens
        seen.clear()
        rouge.add(["가", "나"])
        assert seen == again
        rouge = Rouge(lambda text: seen.append(text) or text.split())


def test_texts_are_tokenized_part_by_part(monkeypatch):
    parts = []

    class Tokenizer:
        def __call__(self, text):
            raise AssertionError

        def tokenize_many(self, texts):
            parts.append(list(texts))
            return [text.split() for text in texts]

    monkeypatch.setattr("pipeline.scoring.rouge.comparison._TOGETHER", 4)
    rouge, texts = Rouge(Tokenizer()), ["가 나", "다", "", "라 마 바 사", "아"]
    rouge.add(texts)
    assert parts == [["가 나", "다"], ["", "라 마 바 사"], ["아"]]
    assert [len(rouge.build_profile(text).tokens) for text in texts] == [2, 1, 0, 4, 1]


def test_only_a_newline_ends_a_line():
    # as to korouge-score; to str.splitlines U+2028, U+0085 and others do too
    reference, prediction = "서울 축제\u2028열렸다 어제\n시민이 왔다\x85많이", "열렸다 축제\u2029서울 어제\n많이 왔다"
    assert_equals_oracle([(prediction, reference), (reference, prediction)] * 4, "whitespace")
