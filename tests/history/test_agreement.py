"""What the board says of validation, and which submission is chosen: within one scale only."""

import numpy as np
import pytest
from builders import build_rows
from scipy.stats import spearmanr

from pipeline.history.agreement import choose_final, compute_agreement, describe_ledger, split_by_scale


def test_spearman_correlation_with_ties_and_its_chance():
    # ranks 0 1.5 1.5 3 against 0 1 2 3: by hand 4.5 / sqrt(4.5 * 5)
    agreement = compute_agreement(build_rows((0.1, 1), (0.2, 2), (0.2, 3), (0.3, 4)))
    assert agreement.spearman == pytest.approx(4.5 / 22.5**0.5)
    # of 24 orders two agree so well
    assert agreement.chance == pytest.approx(2 / 24)
    low, high = agreement.interval
    assert low < 0 < agreement.spearman < high < 1


def test_perfect_order_of_three_is_one_order_of_six():
    agreement = compute_agreement(build_rows((0.1, 1), (0.2, 2), (0.3, 3), (0.4, "")))
    assert (agreement.spearman, agreement.submissions, agreement.interval) == (pytest.approx(1), 3, None)
    assert agreement.chance == pytest.approx(1 / 6)


def test_chance_of_many_submissions_is_near_what_counting_gives():
    eight = build_rows(*zip([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 3, 6, 4, 5, 8, 7], strict=True))
    nine = build_rows(*zip([1, 2, 3, 4, 5, 6, 7, 8, 9], [5, 1, 9, 3, 2, 8, 4, 7, 6], strict=True))
    assert compute_agreement(eight).chance < 0.01
    # rho is 0.3 of nine: exactly 21.8 % by published tables
    assert compute_agreement(nine).spearman == pytest.approx(0.3, abs=0.05)
    assert compute_agreement(nine).chance == pytest.approx(0.22, abs=0.05)


def test_chance_of_nine_is_that_of_students_t_and_not_the_normal_tail():
    # rho is 0.67: of 200,000 random orders 3.0 % agree as well; the normal tail says 1 %
    nine = build_rows(*zip([1, 2, 3, 4, 5, 6, 7, 8, 9], [2, 4, 1, 3, 9, 5, 6, 8, 7], strict=True))
    agreement = compute_agreement(nine)
    generator = np.random.default_rng(0)
    found = [spearmanr(range(9), generator.permutation(9)).statistic for _ in range(4000)]
    counted = np.mean(np.array(found) >= agreement.spearman - 1e-9)
    assert agreement.chance == pytest.approx(counted, abs=0.008)


def test_scores_that_are_all_alike_are_said_to_be():
    lines = describe_ledger(build_rows((0.1, 1), (0.1, 2), (0.1, 3)))
    assert lines[0] == "validation or board scores all of them alike, so there is no order to agree on"


def test_two_scores_or_equal_ones_say_nothing():
    assert compute_agreement(build_rows((0.1, 1), (0.2, 2))) is None
    assert compute_agreement(build_rows((0.1, 1), (0.1, 2), (0.1, 3))) is None


def test_final_choice_is_good_on_both_boards():
    # a is best on the public board alone, c on validation alone
    assert choose_final(build_rows((0.1, 0.9), (0.8, 0.8), (0.9, 0.1), (0.2, 0.2)))["name"] == "b"
    assert choose_final(build_rows((0.1, ""), (0.3, ""), (0.2, "")))["name"] == "b"
    assert choose_final([]) is None


def test_disagreement_is_said():
    lines = describe_ledger(build_rows((0.1, 3), (0.2, 2), (0.3, 1)))
    assert "-1.00 (3 submissions; 100% of random orders agree as well)" in lines[0]
    assert "validation and board disagree" in lines[1]
    assert lines[-1].startswith("for the final: ")


MECAB, WHITESPACE = ({"tokenizer": name, "weights": "rouge1 1", "split": "c0ffee"} for name in ("mecab", "whitespace"))


def test_submissions_of_another_scale_are_not_ranked_and_a_line_says_so():
    # a and b by whitespace, where scores are lower; c by Mecab; d is older than scales
    rows = build_rows((0.47, 0.4), (0.46, 0.3), (0.79, 0.2), (0.99, ""))
    rows = [row | scale for row, scale in zip(rows, (WHITESPACE, WHITESPACE, MECAB, {}), strict=True)]
    assert choose_final(rows)["name"] == "a"
    lines = describe_ledger(rows)
    assert lines[-2] == (
        "ranked is scale A alone; left out: c (scale B: tokenizer mecab, not whitespace); d (scale ?: unknown)"
    )
    assert lines[-1].startswith("for the final: a (")
    assert "Spearman" not in lines[0]


@pytest.mark.parametrize("key", ["tokenizer", "weights", "split"])
def test_every_part_of_a_scale_keeps_scores_apart(key):
    rows = [row | MECAB for row in build_rows((0.5, ""), (0.9, ""), (0.4, ""))]
    rows[1][key] = "other"
    # neither has answers, so the newest scale counts
    same, other = split_by_scale(rows)
    assert ([row["name"] for row in same], [row["name"] for row in other]) == (["a", "c"], ["b"])
    assert choose_final(rows)["name"] == "a"


def test_scale_with_most_answers_is_ranked_though_another_is_newer():
    rows = build_rows((0.5, 0.5), (0.6, 0.6), (0.9, ""))
    rows = [row | scale for row, scale in zip(rows, (MECAB, MECAB, WHITESPACE), strict=True)]
    assert choose_final(rows)["name"] == "b"
    # before there are answers it is the newest
    assert choose_final([row | {"public": ""} for row in rows])["name"] == "c"


def test_one_scale_needs_no_word_about_scales():
    assert not [line for line in describe_ledger(build_rows((0.5, ""), (0.6, ""))) if "scale" in line]
