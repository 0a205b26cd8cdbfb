"""The ranked row: it learns what there is to learn, honestly, and says when there is nothing."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.params.grid import Configuration
from pipeline.scoring.pools import Utility
from pipeline.scoring.ranking import ranker as module
from pipeline.scoring.ranking.candidates import collect_candidates, compute_features
from pipeline.scoring.ranking.ranker import Ranker, describe_ranker, fit_ranker, pack_ranker
from pipeline.scoring.ranking.rows import describe_ranking, pick_best, rank_candidates
from pipeline.scoring.rouge.comparison import Rouge

CONFIGURATIONS = [Configuration(f"sample/{n}", {"do_sample": True}) for n in range(6)]
WORDS = [f"말{n}" for n in range(10)]


def build_pool(documents=60, tells=True, seed=0):
    """Examples, candidates that hold some of a reference's ten words, and likelihoods that tell how many, or do not."""
    rng = np.random.default_rng(seed)
    examples = pd.DataFrame(
        {"id": [f"d{n}" for n in range(documents)], "text": "글", "summaries": [[" ".join(WORDS)]] * documents}
    )
    rows, likely = [], []
    for name in examples["id"]:
        for configuration in CONFIGURATIONS:
            kept = rng.permutation(10)[: rng.integers(1, 10)]
            text = " ".join([*(WORDS[k] for k in sorted(kept)), *(f"{name}{n}" for n in range(10 - len(kept)))])
            if any(row[0] == name and row[3] == text for row in rows):
                continue
            rows.append((name, configuration.name, 0, text, 11, True))
            likely.append(20.0 - len(kept) + rng.normal() if tells else rng.normal())
    candidates = pd.DataFrame(rows, columns=["id", "configuration", "candidate", "text", "tokens", "finished"])
    likelihoods = candidates[["id", "text", "tokens"]].assign(nats=likely, base_nats=30.0)
    return examples, candidates, likelihoods


def rank(examples, candidates, likelihoods, method="ridge", seed=3):
    utility = Utility(Rouge("whitespace"), {"rouge1": 1.0}, CONFIGURATIONS, seed)
    return rank_candidates(candidates, likelihoods, examples, method, utility)


def test_what_tells_good_candidates_is_learnt():
    ranking = rank(*build_pool())
    assert ranking.details["spearman"] > 0.8
    assert ranking.rows["id"].tolist() == [f"d{n}" for n in range(60)]
    ranker = ranking.entry.ranker
    assert max(ranker.weights, key=ranker.weights.get) in (
        "likelihood",
        "information",
        "likelihood_per_token",
        "information_per_token",
    )
    kept = ranking.rows["text"].str.count("말").mean()
    # of ten words; six draws of one to nine have 5 on average and 7.9 at best
    assert 7 < kept <= 10 * ranking.details["oracle"]
    assert ranking.entry.cost == 8
    lines = describe_ranking(ranking.details, 0.75)
    assert "Spearman" in lines[0]
    assert "next to nothing" not in lines[0]
    assert "likelier" in lines[1]


def test_noise_is_told_from_knowledge():
    ranking = rank(*build_pool(tells=False))
    assert abs(ranking.details["spearman"]) < 0.1
    assert "next to nothing: set rank.method: none" in describe_ranking(ranking.details, 0.5)[0]
    assert ranking.details["oracle"] > 0.7


def test_no_document_has_a_say_in_its_own_choice():
    examples, candidates, likelihoods = build_pool(documents=20)
    before = rank(examples, candidates, likelihoods).rows.set_index("id")["text"]
    for name in ("d0", "d7"):
        changed = examples.copy()
        place = int(name[1:])
        # whatever its answer is
        worst = candidates[candidates["id"] == name]["text"].iloc[-1]
        changed.at[place, "summaries"] = [worst]
        after = rank(changed, candidates, likelihoods).rows.set_index("id")["text"]
        assert after[name] == before[name]
    # but what is learnt from all documents is another thing
    assert rank(changed, candidates, likelihoods).entry.ranker != rank(examples, candidates, likelihoods).entry.ranker


def test_one_document_and_candidates_that_are_alike():
    examples, candidates, likelihoods = build_pool(documents=1)
    assert len(rank(examples, candidates, likelihoods).rows) == 1
    examples, candidates, likelihoods = build_pool(documents=4)
    same = candidates.assign(text="말0 말1")
    ranking = rank(examples, same, likelihoods.assign(text="말0 말1").drop_duplicates(["id", "text"]))
    assert ranking.details["spearman"] is None
    assert describe_ranking(ranking.details, 0.5) == [
        "rank: the candidates of a document are all alike; there is nothing to choose"
    ]


def test_a_candidate_without_likelihood_is_refused():
    examples, candidates, likelihoods = build_pool(documents=3)
    with pytest.raises(
        InputError, match=r"likelihoods\.parquet: has no likelihood of a candidate of 'd0'; run the rank"
    ):
        rank(examples, candidates, likelihoods.iloc[1:])


def test_of_equals_the_first_is_taken():
    table = pd.DataFrame({"id": ["a", "a", "b", "b", "b"]})
    assert pick_best(table, np.array([1.0, 1.0 + 1e-15, 0.0, 2.0, 2.0])) == [0, 3]


def test_packed_ranker_orders_as_before():
    examples, candidates, likelihoods = build_pool(documents=10)
    ranker = rank(examples, candidates, likelihoods).entry.ranker
    again = Ranker(**pack_ranker(ranker))
    assert again.weights == pytest.approx(ranker.weights, abs=1e-11)
    assert "nothing that can be told" in describe_ranker(Ranker("ridge", {}, dict.fromkeys(module.FEATURES, 0.0)))


def test_trees_want_many_documents_and_lightgbm(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    with pytest.raises(
        InputError, match=r"lambdamart learns from more than 1000 validation documents, here from 20; use"
    ):
        rank(*build_pool(documents=20), method="lambdamart")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[lambdamart\]'"):
        rank(*build_pool(documents=5), method="lambdamart")


def test_trees_learn_too(monkeypatch):
    pytest.importorskip("lightgbm", reason="LightGBM is an extra")
    monkeypatch.setattr(module, "FEWEST_DOCUMENTS", 10)
    ranking = rank(*build_pool(documents=80), method="lambdamart")
    assert ranking.details["spearman"] > 0.5
    assert ranking.details["said"].startswith("rank looks most at: likelier")
    assert Ranker(**pack_ranker(ranking.entry.ranker)).trees == ranking.entry.ranker.trees


def test_fit_ignores_documents_that_are_not_kept():
    examples, candidates, likelihoods = build_pool(documents=30)
    found = collect_candidates(candidates, list(examples["id"]), CONFIGURATIONS)
    features = compute_features(
        found,
        likelihoods,
        dict(zip(examples["id"], examples["text"], strict=True)),
        Rouge("whitespace"),
        {"rouge1": 1.0},
    )
    scores = np.linspace(0, 1, len(found.table))
    kept = found.table["id"].isin([f"d{n}" for n in range(15)]).to_numpy()
    other = np.where(kept, scores, 7.0)
    assert fit_ranker("ridge", found, features, scores, kept) == fit_ranker("ridge", found, features, other, kept)
