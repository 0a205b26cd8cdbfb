"""The rows of the leaderboard: what a score means."""

import pandas as pd
import pytest

from pipeline.scoring.rows import describe_scale

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
