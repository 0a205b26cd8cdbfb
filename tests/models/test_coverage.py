"""Where summaries' words stand, and which part of a document is best kept."""

import pandas as pd
import pytest

from pipeline.models.coverage import (
    COMPARED,
    DRAWN,
    choose_truncation,
    compute_recalls,
    describe_choice,
    describe_coverage,
    describe_positions,
    draw_examples,
    select_truncation,
)
from pipeline.models.prompts import PromptBuilder
from pipeline.models.truncation import TRUNCATIONS

FILLER = "비가 많이 왔음 " * 6
ANSWERS = [f"{n}번 서울 축제다." for n in range(1, 6)]


def build_documents(place):
    """Five documents that say what their summaries say at a place: `first`, `last` or `both`."""
    parts = {"first": (1, 0), "last": (0, 1)}.get(place, (1, 1))
    texts = [f"{answer * parts[0]} {FILLER} {answer * parts[1]}".strip() for answer in ANSWERS]
    return pd.DataFrame({"id": list("abcde"), "text": texts, "summaries": [[answer] for answer in ANSWERS]})


@pytest.fixture
def make_builder(tokenizer, make_params):
    """Prompts that keep so many tokens of a document."""

    def make(room):
        params = make_params(**{"prompt.max_document_tokens": room, "prompt.max_summary_tokens": 64})
        return PromptBuilder(tokenizer, params.prompt, "head", 512, False)

    return make


def test_recall_is_the_share_of_a_summarys_distinct_pairs():
    assert compute_recalls(["축제를 서울에서"], [["축제가 축제가"]]) == [1 / 2]
    assert compute_recalls(["축제를"], [["축제", "서울"]]) == [1 / 2]


@pytest.mark.parametrize(("place", "chosen"), [("last", "tail"), ("first", "head")])
def test_auto_keeps_the_part_where_the_answers_stand(make_builder, place, chosen):
    choice = choose_truncation("auto", make_builder(30), build_documents(place), 0)
    assert (choice.truncation.name, choice.documents, list(choice.recalls)) == (chosen, 5, list(TRUNCATIONS))
    assert choice.recalls[chosen] == 1
    assert choice.truncation.idf is None
    line = describe_choice(choice.describe())
    assert line.startswith(f"truncation: {chosen} (keeps 100% of the summaries' words in 5 training documents that are")
    assert describe_choice({**choice.describe(), "asked": chosen}).startswith(f"truncation: {chosen}, as asked (keeps")


def test_auto_is_head_where_nothing_is_cut_and_what_is_asked_for_is_given(make_builder):
    choice = choose_truncation("auto", make_builder(None), build_documents("last"), 0)
    assert (choice.truncation.name, choice.documents, choice.recalls) == ("head", 0, {})
    assert describe_choice(choice.describe()) == "truncation: head (no training document is cut)"
    # test documents may be cut all the same
    asked = choose_truncation("salient", make_builder(None), build_documents("last"), 0)
    assert asked.truncation.idf.documents == 5
    assert describe_choice(asked.describe()) is None


@pytest.mark.parametrize(
    ("recalls", "chosen"),
    [
        ({}, "head"),
        ({"head": [0.1], "tail": [0.9]}, "head"),
        ({"head": [0.1, 0.2, 0.1], "tail": [0.9, 0.9, 0.8]}, "tail"),
        ({"head": [0.1, 0.9, 0.5], "tail": [0.9, 0.2, 0.5]}, "head"),
        ({"head": [0.1, 0.1, 0.1], "tail": [0.8, 0.9, 0.7], "head_tail": [0.9, 0.8, 0.8]}, "tail"),
        ({"head": [0.1, 0.1, 0.1], "tail": [0.2, 0.2, 0.2], "head_tail": [0.9, 0.8, 0.8]}, "head_tail"),
    ],
)
def test_simplest_of_what_noise_does_not_tell_apart_is_taken(recalls, chosen):
    assert select_truncation(recalls) == chosen


def test_coverage_counts_thirds_and_what_cutting_loses(make_builder):
    coverage = describe_coverage(build_documents("last"), make_builder(30), 0)
    assert (coverage["first"], coverage["middle"], coverage["last"], coverage["whole"]) == (0, 0, 1, 1)
    assert coverage["cut"] == {"documents": 5, "whole": 1, "kept": 0}
    assert describe_positions("train", coverage) == (
        "train: of the summaries' words stand 0% in the first, 0% in the middle, 100% in the last third of the "
        "document; where documents are cut, 100% stand in the whole and 0% in what is kept"
    )
    whole = describe_coverage(build_documents("both"), make_builder(None), 0)
    assert (whole["first"], whole["last"]) == (1, 1)
    assert whole["cut"] == {"documents": 0, "whole": None, "kept": None}
    assert describe_positions("train", whole) is None


def test_many_documents_are_drawn_by_seed():
    frame = pd.DataFrame({"id": range(DRAWN + 5)})
    drawn = draw_examples(frame, COMPARED, 1)["id"].tolist()
    assert len(set(drawn)) == COMPARED
    assert drawn == draw_examples(frame, COMPARED, 1)["id"].tolist() != sorted(drawn)
    assert drawn != draw_examples(frame, COMPARED, 2)["id"].tolist()
    assert sorted(draw_examples(frame[:5], COMPARED, 1)["id"]) == list(range(5))


def test_documents_are_compared_in_batches_until_there_are_enough(make_builder, monkeypatch):
    monkeypatch.setattr("pipeline.models.coverage.COMPARED", 2)
    frame, builder = build_documents("last"), make_builder(30)
    choice = choose_truncation("auto", builder, frame, 0)
    assert (choice.truncation.name, choice.documents) == ("tail", 2)
    # those that fit count for nothing, however many stand before
    frame.loc[:2, "text"] = "짧다"
    assert choose_truncation("auto", builder, frame, 0).documents == 2
