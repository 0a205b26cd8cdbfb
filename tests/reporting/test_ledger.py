"""The ledger on the page."""

from builders import build_rows

from pipeline.reporting.ledger import build_ledger
from pipeline.reporting.results import Ledger


def test_newest_stands_first_and_only_answered_submissions_are_plotted():
    view = build_ledger(Ledger(build_rows((0.4, 0.3), (0.5, 0.45), (0.6, "")), ["a line"]))
    assert [(row["name"], row["validation"], row["public"]) for row in view.rows] == [
        *(("c", "0.6000", ""), ("b", "0.5000", "0.4500"), ("a", "0.4000", "0.3000"))
    ]
    first, second = view.scatter.points
    assert first.x < second.x
    assert first.y < second.y
    assert view.lines == ["a line"]


def test_one_answer_makes_no_plot_and_a_long_ledger_is_cut():
    view = build_ledger(Ledger(build_rows((0.4, 0.3), *[(0.5, "")] * 79, names="a" * 80)))
    assert view.scatter is None
    assert (len(view.rows), view.older) == (60, 20)
