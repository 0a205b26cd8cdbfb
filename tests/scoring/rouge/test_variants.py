"""ROUGE-W and ROUGE-S: the worked examples of Lin 2004."""

import pytest

from pipeline.scoring.rouge.comparison import Rouge, compare
from pipeline.scoring.rouge.variants import compute_skip_bigrams, compute_weighted_lcs

# section 4: the same four matches, in a row and scattered
REFERENCE, IN_A_ROW, SCATTERED = "ABCDEFG", "ABCDHIK", "AHBKCID"


def weighted(prediction, run_weight=2.0):
    return compute_weighted_lcs([ord(c) for c in prediction], [ord(c) for c in REFERENCE], run_weight)


def skipping(prediction, reference="police killed the gunman", skip=None):
    return compute_skip_bigrams(prediction.split(), reference.split(), skip)


def test_consecutive_matches_weigh_more():
    assert weighted(IN_A_ROW) == pytest.approx((4 / 7,) * 3)  # 0.571
    assert weighted(SCATTERED) == pytest.approx((2 / 7,) * 3)  # 0.286


def test_without_extra_weight_a_run_is_worth_its_length():
    for prediction in (IN_A_ROW, SCATTERED):
        assert weighted(prediction, 1.0) == pytest.approx((4 / 7,) * 3)


def test_lengths_count_apart_in_precision_and_recall():
    precision, recall, fmeasure = weighted("ABC")
    assert (precision, recall) == (1, pytest.approx(3 / 7))
    assert fmeasure == pytest.approx(2 * (3 / 7) / (10 / 7))
    assert weighted("XYZ") == (0, 0, 0)


@pytest.mark.parametrize(
    ("prediction", "matches"),
    [("police kill the gunman", 3), ("the gunman kill police", 1), ("the gunman police killed", 2), ("gunman", 0)],
)
def test_pairs_in_order_count_whatever_stands_between(prediction, matches):
    # section 5: of six pairs
    assert skipping(prediction)[1] == pytest.approx(matches / 6)


def test_a_limit_leaves_out_pairs_that_are_far_apart():
    # with nothing between: three pairs a side, one of them shared
    assert skipping("police kill the gunman", skip=0) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    # with one word between: five pairs a side; police..the and the gunman are shared
    assert skipping("police kill the gunman", skip=1) == pytest.approx((2 / 5, 2 / 5, 2 / 5))


def test_repeated_pairs_are_clipped():
    # a a a has three pairs (a, a), of which a a has one
    assert skipping("a a a", "a a") == pytest.approx((1 / 3, 1, 1 / 2))


def test_they_are_metrics_like_the_others():
    rouge = Rouge("whitespace")
    prediction, reference = map(rouge.build_profile, ("police kill the gunman", "police killed the gunman"))
    assert compare(prediction, reference, "rougeS").fmeasure == 0.5
    # four words between reach over the whole sentence
    assert compare(prediction, reference, "rougeS4").fmeasure == 0.5
    assert compare(prediction, reference, "rougeW").recall == pytest.approx(((1 + 2**1.2) / 4**1.2) ** (1 / 1.2))
