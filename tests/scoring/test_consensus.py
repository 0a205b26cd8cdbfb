"""Consensus: the utilities against korouge-score, the choice against a plain loop."""

import numpy as np
import pytest
from korouge_score.rouge_scorer import RougeScorer

from pipeline.scoring.consensus import compute_utilities, select_consensus
from pipeline.scoring.rouge.comparison import Rouge

POOL = ["가 나 다 라", "가 나 다", "마 바", "가 나 다", "", "가  나 다\n"]
WEIGHTS = {"rouge1": 1.0, "rouge2": 2.0, "rougeL": 1.0}


def test_utilities_are_the_weighted_rouge_of_every_pair():
    table = compute_utilities(POOL, Rouge("whitespace"), WEIGHTS)
    assert table.shape == (6, 6)
    scorer = RougeScorer(list(WEIGHTS))
    texts = [" ".join(text.split()) for text in POOL]
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            scores = scorer.score(one, other)
            expected = sum(weight * scores[metric].fmeasure for metric, weight in WEIGHTS.items()) / 4
            assert table[i, j] == pytest.approx(expected if one and other else 0, abs=1e-12)


def test_each_text_is_tokenized_once_and_each_pair_compared_once(monkeypatch):
    from pipeline.scoring import consensus

    compared, tokenized = [], []
    original = consensus.compare
    monkeypatch.setattr(consensus, "compare", lambda a, b, metric: compared.append(metric) or original(a, b, metric))
    compute_utilities(
        POOL[:4], Rouge(lambda text: tokenized.append(text) or text.split()), {"rouge1": 1.0, "rouge2": 0}
    )
    assert sorted(tokenized) == sorted(set(POOL[:4]))
    # three different texts: three pairs and three with themselves
    assert compared == ["rouge1"] * 6


def test_candidate_nearest_to_the_others_is_chosen():
    assert select_consensus(compute_utilities(POOL, Rouge("whitespace"), WEIGHTS)) == 1
    # without its equals the longer one is as near: of two that agree the first
    assert select_consensus(compute_utilities(POOL[:2], Rouge("whitespace"), WEIGHTS)) == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_choice_is_that_of_the_definition(weighted):
    draw = np.random.default_rng(0)
    for count in (1, 2, 3, 8):
        table = draw.random((count, count))
        table = (table + table.T) / 2
        weights = draw.random(count) + 0.1 if weighted else np.ones(count)
        means = [
            np.average(
                [table[i, j] for j in range(count) if j != i], weights=[weights[j] for j in range(count) if j != i]
            )
            if count > 1
            else 0
            for i in range(count)
        ]
        assert select_consensus(table, weights if weighted else None) == int(np.argmax(means))


def test_weight_moves_the_choice_to_what_good_configurations_say():
    table = compute_utilities(["가 나", "가 나", "다 라", "다 라"], Rouge("whitespace"), {"rouge1": 1.0})
    assert select_consensus(table) == 0
    assert select_consensus(table, np.array([1.0, 1.0, 2.0, 2.0])) == 2
