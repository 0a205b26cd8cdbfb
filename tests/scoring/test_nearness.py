"""Nearness to what people wrote: counted by hand on figures, and on texts that repeat or copy."""

import io

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.params.grid import Configuration, Untuned
from pipeline.scoring.figures import FIGURES
from pipeline.scoring.nearness import (
    FARTHEST,
    build_text_details,
    build_text_leaderboard,
    compute_nearness,
    compute_text_scores,
)
from pipeline.stages.score import score_texts, select_metrics
from pipeline.tables import CONTINUATIONS

WORDS = [f"말{i}" for i in range(400)]
TRAIN = [" ".join(WORDS[:60])]
GRID = {"plain": {}, "loop": {}, "copy": {"num_beams": 2}}


def build_figures(**columns):
    return pd.DataFrame({name: columns.get(name, [0.1, 0.2, 0.3]) for name in FIGURES})


@pytest.mark.parametrize("sign", [1, -1])
def test_score_is_the_mean_standardised_difference_and_every_measure_counts_alike(sign):
    human = build_figures()
    moved = np.array([0.1, 0.2, 0.3]) + sign * 0.05
    deviation = np.std([0.1, 0.2, 0.3])
    # one of three figures of one of six measures, and a measure of one figure
    assert compute_nearness(build_figures(rep3=moved), human).mean() == pytest.approx(-0.05 / deviation / 18)
    assert compute_nearness(build_figures(overlap=moved), human).mean() == pytest.approx(-0.05 / deviation / 6)
    assert compute_nearness(human, human).tolist() == [0, 0, 0]


def test_deviations_are_pooled_and_a_difference_without_any_is_bounded():
    human = build_figures(overlap=[0.0, 0.0, 0.0])
    found = compute_nearness(build_figures(overlap=[0.0, 0.3, 0.6]), human)
    pooled = np.sqrt(np.var([0.0, 0.3, 0.6]) / 2)
    assert found.mean() == pytest.approx(-0.3 / pooled / 6)
    # the document that differs most costs most
    assert np.argmin(found) == 2
    assert compute_nearness(build_figures(overlap=[1.0, 1.0, 1.0]), human).mean() == pytest.approx(-FARTHEST / 6)


@pytest.fixture
def examples():
    return pd.DataFrame({"id": [f"a{i}" for i in range(6)], "text": "말", "summaries": [[" 말"]] * 6})


@pytest.fixture
def candidates(examples):
    """Texts as people's, texts that repeat a word, and texts that stand in train; two samples of the first."""
    generator = np.random.default_rng(1)

    def draw(words=WORDS):
        return " ".join(generator.choice(words, 30, replace=False))

    rows = []
    for i, name in enumerate(examples["id"]):
        rows += [(name, "human", 0, draw()), (name, "plain", 0, draw()), (name, "plain", 1, draw())]
        rows += [(name, "loop", 0, "말1 말2 " * 15), (name, "copy", 0, " ".join(WORDS[i : i + 30]))]
        rows.append((name, "untuned", 0, draw(WORDS[:40])))
    frame = pd.DataFrame(rows, columns=["id", "configuration", "candidate", "text"])
    nats = np.where(frame["configuration"] == "loop", 8.0, generator.normal(60, 3, len(frame)))
    return frame.assign(tokens=30, finished=frame["configuration"] != "loop", nats=nats)[list(CONTINUATIONS)]


@pytest.fixture
def params(make_params):
    made = {"task": "generation", "prompt.template": "{text}", "decode.few_shot": 0, "decode.grid": GRID}
    return make_params(**made, **{"score.tokenizer": "whitespace", "score.resamples": 200})


def test_what_is_most_like_people_wins_and_people_stand_beside(candidates, examples, params):
    found = score_texts(candidates, examples, TRAIN, {"plain": 2.0}, params)
    board = found.leaderboard.set_index("name")
    assert board.index[0] == "human"
    assert board.loc["human", ["kind", "score", "cost"]].tolist() == ["human", 0, 0]
    assert found.selection == {
        "name": "plain",
        "kind": "configuration",
        "engine": "auto",
        "settings": {"max_new_tokens": 64},
    }
    assert board["kind"].to_dict()["untuned"] == "untuned"
    assert board.loc["loop", "rep2"] > 0.9
    assert board.loc["loop", "perplexity"] == pytest.approx(np.exp(8 / 30), abs=1e-5)
    assert (board.loc["copy", "overlap"], board.loc["human", "overlap"]) == (1, 0)
    assert board.loc["loop", "at_cap"] == 1
    assert board.loc["plain", "difference"] == 0
    assert board.loc["loop", "difference_high"] < 0
    assert board.loc["copy", "score"] < board.loc["plain", "score"]
    assert found.scores.groupby("name")["score"].mean().round(6).to_dict() == board["score"].round(6).to_dict()
    assert found.details["scale"]["weights"]["overlap"] == pytest.approx(1 / 6)
    metrics = select_metrics(found.details)
    assert list(metrics) == ["score", "low", "high", "rep4", "perplexity", "overlap", "selected"]
    assert metrics["low"] <= metrics["score"] <= metrics["high"]


def test_shorter_text_differs_by_its_length_alone(candidates, examples, params):
    people = candidates[candidates["configuration"] == "human"]
    half = people.assign(configuration="plain", text=[" ".join(text.split()[:15]) for text in people["text"]])
    half = half.assign(tokens=15, nats=people["nats"] / 2)
    found = compute_text_scores(pd.concat([people, half]), list(examples["id"]), TRAIN, params.score)
    # every text has thirty words or fifteen, so that the difference is as large as one can be
    assert found.loc[found["name"] == "plain", "score"].mean() == pytest.approx(-FARTHEST / 6, abs=1e-6)


def test_named_row_is_taken_and_people_cannot_be(candidates, examples, make_params, params):
    loop = params.model_copy(update={"predict": params.predict.model_copy(update={"use": "loop"})})
    assert score_texts(candidates, examples, TRAIN, {}, loop).selection["name"] == "loop"
    with pytest.raises(InputError, match=r"predict\.use: no row 'human' in the leaderboard; rows: best, "):
        make_params(**{"predict.use": "human"})


def test_rank_and_order_of_the_table_do_not_matter(candidates, examples, params):
    ids = list(examples["id"])
    ours = compute_text_scores(candidates, ids, TRAIN, params.score)
    shuffled = candidates.sample(frac=1, random_state=0)
    theirs = compute_text_scores(shuffled, ids, TRAIN, params.score)
    key = ["name", "id"]
    pd.testing.assert_frame_equal(*(f.sort_values(key, ignore_index=True) for f in (ours, theirs)))


def test_table_that_is_not_of_these_documents_is_refused(candidates, examples, params):
    ids = list(examples["id"])
    with pytest.raises(InputError, match="configuration 'plain' has not every validation text; run the decode stage"):
        compute_text_scores(candidates.drop(index=1), ids, TRAIN, params.score)
    with pytest.raises(InputError, match="holds no human texts; run the decode stage"):
        compute_text_scores(candidates[candidates["configuration"] != "human"], ids, TRAIN, params.score)


def test_base_that_wrote_on_some_openings_is_compared_with_people_on_those(candidates, examples, params):
    few = list(examples["id"])[1:4]
    is_base = candidates["configuration"] == "untuned"
    some = candidates[~is_base | candidates["id"].isin(few)]
    found = score_texts(some, examples, TRAIN, {}, params)
    board = found.leaderboard.set_index("name")["documents"]
    assert board.to_dict() == {"human": 6, "plain": 6, "copy": 6, "loop": 6, "untuned": 3}
    alone = compute_text_scores(some[some["id"].isin(few)], few, TRAIN, params.score)
    pd.testing.assert_frame_equal(
        *(f.loc[f["name"] == "untuned", ["id", "text", "score"]].reset_index(drop=True) for f in (found.scores, alone))
    )
    other = candidates.assign(id=candidates["id"].where(~is_base, "elsewhere"))
    with pytest.raises(InputError, match="configuration 'untuned' has not every validation text"):
        compute_text_scores(other, list(examples["id"]), TRAIN, params.score)


def test_leaderboard_of_texts_is_rendered_with_their_figures(candidates, examples, params):
    from rich.console import Console

    from pipeline.history.leaderboard import render_leaderboard

    configurations = [Configuration("plain", {}), Untuned("untuned", {})]
    scored = compute_text_scores(candidates, list(examples["id"]), TRAIN, params.score)
    board = build_text_leaderboard(scored, configurations, {"plain": 2.0}, params.score, 0)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render_leaderboard(board, "plain"))
    text = console.export_text()
    assert "perplexity" in text
    assert "rouge1" not in text
    details = build_text_details(board, "plain", examples, params.score)
    assert f"{details['human']['perplexity']:.2f}" in next(line for line in text.splitlines() if " human " in line)
