"""explore: who writes for a training document, and that it has not seen it."""

from dataclasses import dataclass, field

import pandas as pd
import pytest

from pipeline.competition.splits import assign_folds
from pipeline.errors import InputError
from pipeline.stages.explore import Explored, describe, describe_probe, draw_examples, explore


def build_rows(count, start=0):
    texts = [
        f"{n}번째 글은 {n * 7919 % 1000}쪽이고 {chr(0xAC00 + 31 * n)}{chr(0xB000 + 17 * n)}에 대해 쓴다"
        for n in range(start, start + count)
    ]
    return pd.DataFrame(
        {"id": [f"r{n}" for n in range(start, start + count)], "text": texts, "summaries": [["요약"]] * count}
    )


@dataclass
class Fake:
    """Explorer and writers in one: the tuned model scores `known` where it has seen a document, and 0.3 where not."""

    known: float
    asked: list = field(default_factory=list)

    def load_tuned(self):
        self.asked.append("tuned")
        return "tuned"

    def load_half(self, fold, examples):
        self.asked.append((fold, sorted(examples["train"]["id"]), sorted(examples["valid"]["id"])))
        return fold

    def write(self, writer, examples):
        seen = writer == "tuned"
        rows = [
            (name, rank, f"{writer}", [5, 0], -1.0, True, self.known if seen and name < "r5" else 0.3 - rank / 100)
            for name in examples["id"]
            for rank in range(2)
        ]
        columns = ["id", "candidate", "text", "token_ids", "log_probability", "finished", "score"]
        return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def run(make_params):
    def run(known=0.9, **changes) -> tuple[Explored, list]:
        fake, params = Fake(known), make_params(**{"explore.probe": 3, **changes})
        return explore(
            {"train": build_rows(40, 10), "valid": build_rows(8, 60)}, params.explore, fake, fake, 0
        ), fake.asked

    return run


def test_document_that_was_learnt_by_heart_is_written_for_by_a_model_that_has_not_seen_it(run):
    explored, asked = run()
    tuned, *halves = asked
    assert tuned == "tuned"
    assert [fold for fold, _, _ in halves] == [0, 1]
    everything, train = set(build_rows(40, 10)["id"]), build_rows(40, 10)
    folds = dict(zip(train["id"], assign_folds(train, 2, 0), strict=True))
    for fold, learnt, valid in halves:
        written = set(explored.candidates.loc[explored.candidates["text"] == str(fold), "id"])
        assert written == {name for name, own in folds.items() if own == fold}
        assert set(learnt) == everything - written
        assert valid == sorted(build_rows(8, 60)["id"])
    # in the order of the training rows
    assert explored.candidates["id"].drop_duplicates().tolist() == list(train["id"])
    assert explored.details["out_of_fold"] is True
    assert explored.details["probe"] == {"documents": [3, 3], "train": 90.0, "valid": 29.5, "lead": 60.5}
    assert explored.lines == [describe_probe({"train": 90.0, "valid": 29.5, "lead": 60.5})]
    assert explored.lines[0].endswith("the model has learnt them by heart; models that have not seen them write")


def test_model_that_knows_nothing_by_heart_writes_itself(run):
    # a lead of 0.9 points
    explored, asked = run(known=0.304)
    assert asked == ["tuned"]
    assert explored.candidates["text"].unique().tolist() == ["tuned"]
    assert explored.details["rouge"] == {"mean": 30.4, "first": 30.4, "best": 30.4}
    assert explored.lines[0].endswith("score 30.4, of validation's 29.5: the tuned model itself writes")
    assert run(known=0.306)[1] != ["tuned"]


def test_who_is_told_does_not_compare(run):
    explored, asked = run(**{"explore.out_of_fold": "never"})
    assert (asked, explored.lines, "probe" in explored.details) == (["tuned"], [], False)
    explored, asked = run(**{"explore.out_of_fold": "always", "explore.documents": 5, "explore.folds": 3})
    assert [fold for fold, _, _ in asked] == sorted({folds for folds, _, _ in asked})
    assert explored.details["documents"] == 5
    assert explored.details["candidates"] == 10
    # a fold's model learns from all documents of the others, whether these are written for or not
    assert all(len(learnt) > 20 for _, learnt, _ in asked)


def test_draw_keeps_the_order_and_the_folds_need_documents(run, make_params):
    rows = build_rows(9)
    drawn = draw_examples(rows, 4, 1)
    assert drawn["id"].tolist() == sorted(drawn["id"])
    assert drawn.equals(draw_examples(rows, 4, 1))
    assert draw_examples(rows, 9, 1) is rows
    fake, params = Fake(0.9), make_params(**{"explore.out_of_fold": "always"})
    with pytest.raises(InputError, match=r"explore\.folds: 2 folds need as many documents that are no near-copies"):
        explore({"train": build_rows(1), "valid": rows}, params.explore, fake, fake, 0)


def test_line_says_what_was_written(run):
    line = describe(run(known=0.3)[0].details)
    assert (
        line
        == "explore: 2.0 different candidates of each of 40 documents; ROUGE 30.0 for the first, 30.0 in the mean, 30.0 for the best"
    )
