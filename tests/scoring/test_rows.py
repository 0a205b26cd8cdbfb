"""The rows of the leaderboard: what a score means."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.scoring.rows import External, describe_scale

EXAMPLES = pd.DataFrame({"id": ["a", "b"], "text": ["본문", "글"], "summaries": [["요약"], ["둘", "셋"]]})


def test_scale_is_the_tokenizer_the_shares_of_metrics_and_who_validates(make_params):
    scales = [
        describe_scale(examples, make_params(**{"score.tokenizer": "whitespace", "score.weights": weights}).score)
        for examples, weights in (
            (EXAMPLES, {"rouge1": 1.0, "rougeL": 3.0}),
            (EXAMPLES.iloc[::-1], {"rougeL": 0.75, "rouge2": 0.0, "rouge1": 0.25}),
        )
    ]
    assert scales[0] == scales[1]
    assert scales[0]["tokenizer"].startswith("whitespace (korouge-score ")
    assert scales[0]["weights"] == {"rouge1": 0.25, "rougeL": 0.75}


@pytest.mark.parametrize("column", ["id", "summaries"])
def test_other_documents_or_references_are_another_scale(make_params, column):
    other = EXAMPLES.copy()
    other.at[1, column] = "c" if column == "id" else ["둘"]
    one, two = (describe_scale(examples, make_params().score) for examples in (EXAMPLES, other))
    assert one["split"] != two["split"]
    assert one["tokenizer"] == two["tokenizer"]


def test_summary_of_an_id_is_its_splits_where_the_file_tells_them_apart():
    external = External("chat", "chat.csv", "", {"1": "검증"}, test_summaries={"1": "시험", "2": "둘"})
    assert external.pick_summaries(["1"], "validation") == ["검증"]
    assert external.pick_summaries(["2", "1"], "test") == ["둘", "시험"]
    with pytest.raises(InputError, match=r"^chat\.csv: has no summary for validation document '2'$"):
        external.pick_summaries(["2"], "validation")
    external.check_ids(["1"], ["1", "2"])


def test_one_summary_cannot_be_that_of_two_documents():
    external = External("chat", "chat.csv", "", {"1": "요약", "2": "둘", "3": "셋"})
    external.check_ids(["1", "2"], ["3"])
    with pytest.raises(InputError) as refusal:
        external.check_ids(["3", "1"], ["1", "2", "3"])
    assert str(refusal.value) == (
        "chat.csv: '1' is a validation and a test document (and 1 more); where validation and test share ids, a column "
        "split says which a summary is for: valid or test"
    )
