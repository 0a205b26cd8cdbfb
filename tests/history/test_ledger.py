"""The ledger: nothing lost, nothing twice, and what the board says of validation."""

import pytest

from pipeline.errors import InputError
from pipeline.history.ledger import (
    COLUMNS,
    choose_final,
    compute_agreement,
    describe_ledger,
    find_identical,
    parse_ledger,
    record_scores,
    render_ledger,
)


def build_rows(*scores, names="abcdefghijklm"):
    """Rows of (validation, public) by name."""
    empty = dict.fromkeys(COLUMNS, "")
    return [
        empty | {"name": name, "sha256": name * 8, "validation": str(validation), "public": str(public)}
        for name, (validation, public) in zip(names, scores, strict=False)
    ]


def test_ledger_is_read_back_as_it_was_written():
    rows = build_rows((0.5, 0.4), (0.6, ""))
    rows[0]["row"] = 'beam/"a", b'
    assert parse_ledger(render_ledger(rows), "ledger.csv") == rows


@pytest.mark.parametrize("content", ["name,score\na,1\n", "", ",".join(COLUMNS) + "\na,b\n", '"open'])
def test_what_is_no_ledger_is_refused(content):
    with pytest.raises(InputError, match=r"^ledger\.csv: "):
        parse_ledger(content.encode(), "ledger.csv")


def test_identical_content_is_found_whatever_its_name():
    rows = build_rows((0.5, ""), (0.6, ""))
    assert find_identical(rows, "b" * 8) is rows[1]
    assert find_identical(rows, "c" * 8) is None


def test_answer_goes_to_the_newest_file_of_a_name_and_to_it_alone():
    rows = build_rows((0.5, ""), (0.6, ""), (0.7, ""), names="aba")
    recorded = record_scores(rows, "a", 0.41, None)
    assert [row["public"] for row in recorded] == ["", "", "0.41"]
    recorded = record_scores(recorded, "a", None, 0.39)
    assert (recorded[2]["public"], recorded[2]["private"]) == ("0.41", "0.39")
    assert recorded[:2] == rows[:2]


@pytest.mark.parametrize(
    ("name", "public", "message"),
    [
        ("z", 0.5, "no submission 'z'; submissions: a, b"),
        ("a", None, "give --public"),
        ("a", float("nan"), "--public: nan is not a score"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(name, public, message):
    with pytest.raises(InputError, match=message):
        record_scores(build_rows((0.5, ""), (0.6, "")), name, public, None)


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


def test_two_scores_or_equal_ones_say_nothing():
    assert compute_agreement(build_rows((0.1, 1), (0.2, 2))) is None
    assert compute_agreement(build_rows((0.1, 1), (0.1, 2), (0.1, 3))) is None


def test_final_choice_is_good_on_both_boards():
    # a is best on the public board alone, c on validation alone
    assert choose_final(build_rows((0.1, 0.9), (0.8, 0.8), (0.9, 0.1), (0.2, 0.2))) == "b"
    assert choose_final(build_rows((0.1, ""), (0.3, ""), (0.2, ""))) == "b"
    assert choose_final([]) is None


def test_disagreement_is_said():
    lines = describe_ledger(build_rows((0.1, 3), (0.2, 2), (0.3, 1)))
    assert "-1.00 (3 submissions; 100% of random orders agree as well)" in lines[0]
    assert "validation and board disagree" in lines[1]
    assert lines[-1].startswith("for the final: ")
