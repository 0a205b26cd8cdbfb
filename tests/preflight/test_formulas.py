"""Cells that a spreadsheet would run are named."""

import pandas as pd
import pytest

from pipeline.preflight.formulas import describe_formulas


@pytest.mark.parametrize("cell", ["=1+1", "+82-2-123", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_text_that_a_spreadsheet_would_run_is_named(cell):
    train = pd.DataFrame({"id": ["a", "b", "c"], "text": ["글", "글", cell], "summaries": [["요약"], [cell], ["요약"]]})
    test = pd.DataFrame({"id": ["x"], "text": ["- 목록 = 글"]})
    (line,) = describe_formulas({"train": train, "test": test})
    assert line.startswith("train: a text of 'b' begins with =, + or @ (and 1 more): a spreadsheet would run")


def test_honest_texts_are_passed_over():
    assert (
        list(describe_formulas({"test": pd.DataFrame({"id": ["x", "y"], "text": ["-3도까지 내려갔다.", "a=b"]})})) == []
    )
