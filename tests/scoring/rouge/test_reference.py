"""korouge-score is asked, and disagreement stops a run."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.scoring.rouge import reference as module
from pipeline.scoring.rouge.comparison import ALL_METRICS
from pipeline.scoring.rouge.pairs import compute_rouge
from pipeline.scoring.rouge.reference import KNOWN, check_with_reference

PREDICTIONS = ["서울에서 열린 축제에 시민 500명이 참여했다.", "", "  비가\n왔다 ", "가 나\n다 라"]
REFERENCES = [
    ["시민 500명이 축제에 참여했다.", "축제가 열렸다."],
    [""],
    ["비가 왔다\u3000길이 막혔다"],
    ["다 나\n라 가"],
]


@pytest.mark.parametrize("tokenizer", ["mecab", "whitespace", "character"])
def test_it_says_the_same_of_every_metric_that_it_has(tokenizer):
    found = compute_rouge(PREDICTIONS, REFERENCES, tokenizer, ALL_METRICS)
    line = check_with_reference(PREDICTIONS, REFERENCES, tokenizer, found)
    assert line.startswith("korouge-score 0.1")
    assert f"says the same ({', '.join(KNOWN)} of 4 summaries" in line


@pytest.mark.parametrize("metric", KNOWN)
def test_another_score_stops_the_run_in_one_line(metric):
    found = compute_rouge(PREDICTIONS, REFERENCES, "mecab", KNOWN)
    found.loc[2, metric] += 2e-9
    with pytest.raises(InputError, match=f"^{metric} of '  비가.*here, but korouge-score 0") as refusal:
        check_with_reference(PREDICTIONS, REFERENCES, "mecab", found)
    assert len(refusal.value.mistakes) == 1


def test_of_many_long_texts_the_first_are_compared(monkeypatch):
    monkeypatch.setattr(module, "CELLS", 1000)
    texts = ["가 나 다 라 마 바 사"] * 50
    found = pd.DataFrame({"rouge1": [1.0] * 50})
    line = check_with_reference(texts, [[text] for text in texts], "whitespace", found)
    assert "(rouge1 of 10 summaries" in line
