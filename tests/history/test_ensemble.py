"""ensemble: what most experiments agree on, and what is refused."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.history.compare import Experiment
from pipeline.history.ensemble import Member, build_ensemble, describe_ensemble

EXAMPLES = pd.DataFrame({"id": ["a", "b"], "text": ["글", "글"], "summaries": [["가 나 다 라"], ["마 바 사"]]})


def build_member(name, valid, test, score=0.5):
    """An experiment with candidates by id."""
    frames = [
        pd.DataFrame([(key, text) for key, texts in part.items() for text in texts], columns=["id", "text"])
        for part in (valid, test)
    ]
    scores = pd.DataFrame({"id": ["b", "a"], "score": [score, score]})
    return Member(Experiment(name, {}, "greedy", scores), *frames)


@pytest.fixture
def params(make_params):
    return make_params(**{"score.tokenizer": "whitespace", "score.resamples": 200}).score


def test_what_most_agree_on_is_chosen_for_both_splits(params):
    members = [
        build_member("one", {"a": ["가 나 다"], "b": ["마 바"]}, {"x": ["차 카"], "y": ["하 하"]}),
        build_member("two", {"a": ["가 나 다 라"], "b": ["마 바 사"]}, {"y": ["하 하 하"], "x": ["차 카 타"]}),
        build_member("three", {"b": ["아 자"], "a": ["가 나"]}, {"x": ["파"], "y": ["하"]}),
    ]
    summaries = build_ensemble(members, EXAMPLES, params)
    assert summaries.valid.to_dict("list") == {"id": ["a", "b"], "summary": ["가 나 다", "마 바"]}
    assert summaries.test.to_dict("list") == {"id": ["x", "y"], "summary": ["차 카", "하 하"]}
    first, *others = describe_ensemble(members, summaries, EXAMPLES, params, 0)
    assert first.startswith("ensemble of 3: 0.7")
    assert first.endswith("on 2 validation documents, chosen from 3 candidates each")
    assert [line.split(":")[0] for line in others] == ["  one", "  two", "  three"]
    assert "0.5000 by greedy; the ensemble +0.2" in others[0]


def test_a_member_with_many_candidates_counts_no_more_than_another(params):
    many = build_member("many", {"a": ["자 차"] * 5, "b": ["마"]}, {"x": ["가"]})
    others = [build_member(name, {"a": ["가 나 다"], "b": ["마"]}, {"x": ["가"]}) for name in ("p", "q")]
    # counted one by one, five that agree would outweigh two
    assert build_ensemble([many, *others], EXAMPLES, params).valid["summary"][0] == "가 나 다"


def test_other_documents_are_refused_by_name(params):
    good = build_member("one", {"a": ["가"], "b": ["나"]}, {"x": ["차"]})
    bad = build_member("two", {"a": ["가"]}, {"x": ["차"], "y": ["카"]})
    with pytest.raises(InputError) as refusal:
        build_ensemble([good, bad], EXAMPLES, params)
    assert refusal.value.mistakes == [
        "ensemble: two summarized other validation documents: 'b' stands in only one",
        "ensemble: two summarized other test documents: 'y' stands in only one",
    ]
