"""Summaries made elsewhere: an id may be that of a validation and of a test document."""

import pytest

from pipeline.competition.external import parse_external
from pipeline.errors import InputError


def test_external_summaries_of_shared_ids_are_told_apart_by_split():
    content = "id,split,summary\n1,valid,하나\n1,test,둘\n2, Test ,셋\n"
    frame = parse_external(content.encode(), "chat.csv")
    assert frame.to_numpy().tolist() == [["1", "하나", "valid"], ["1", "둘", "test"], ["2", "셋", "test"]]
    assert parse_external("id,summary\n1,하나\n".encode("utf-8-sig"), "chat.csv")["split"].tolist() == [""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "id,summary\n1,하나\n2,둘\n1,셋\n",
            "line 4: id '1' stands in line 2 already; where validation and test share ids, a column split says which a "
            "summary is for: valid or test",
        ),
        ("id,summary,split\n1,하나,valid\n1,둘,valid\n", "line 3: id '1' stands in line 2 already"),
        ("id,summary,split\n1,하나,valid\n1,둘,dev\n", "line 3: split is 'dev', not valid or test"),
        ("id,text\n1,하나\n", "has no column 'summary'"),
    ],
)
def test_external_summaries_that_cannot_be_told_apart_are_refused(content, message):
    with pytest.raises(InputError) as refusal:
        parse_external(content.encode(), "chat.csv")
    assert str(refusal.value).startswith(f"chat.csv: {message}")
    assert len(refusal.value.mistakes) == 1
