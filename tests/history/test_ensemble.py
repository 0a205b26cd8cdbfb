"""ensemble: what most experiments agree on, and what is refused."""

from dataclasses import replace

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.history.compare import Experiment
from pipeline.history.ensemble import (
    Member,
    Way,
    build_ensemble,
    build_ranked_ensemble,
    check_documents,
    choose_configuration,
    describe_ensemble,
)
from pipeline.params.grid import Configuration

EXAMPLES = pd.DataFrame({"id": ["a", "b"], "text": ["글", "글"], "summaries": [["가 나 다 라"], ["마 바 사"]]})


def build_member(name, valid, test):
    """An experiment with candidates by id, of which it chose the first."""
    frames = [
        pd.DataFrame([(key, text) for key, texts in part.items() for text in texts], columns=["id", "text"])
        for part in (valid, test)
    ]
    # scored by something else
    scores = pd.DataFrame([(key, texts[0], 0.123) for key, texts in valid.items()], columns=["id", "text", "score"])
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
    score, (first, *others) = describe_ensemble(members, summaries, EXAMPLES, params, 0)
    assert first == f"ensemble of 3: {score:.4f} on 2 validation documents"
    assert 0.7 < score < 0.8
    assert [line.split(":")[0] for line in others] == ["  one", "  two", "  three"]
    assert "1.0000 by greedy; the ensemble -0.2" in others[1]


def test_a_member_with_many_candidates_counts_no_more_than_another(params):
    many = build_member("many", {"a": ["자 차"] * 5, "b": ["마"]}, {"x": ["가"]})
    others = [build_member(name, {"a": ["가 나 다"], "b": ["마"]}, {"x": ["가"]}) for name in ("p", "q")]
    # counted one by one, five that agree would outweigh two
    assert build_ensemble([many, *others], EXAMPLES, params).valid["summary"][0] == "가 나 다"


def test_consensus_of_two_summaries_is_refused_for_it_would_be_the_first(params):
    one, two = (build_member(name, {"a": [name], "b": ["나"]}, {"x": ["차"]}) for name in ("하나", "둘"))
    with pytest.raises(InputError, match=r"of two summaries each is as near to the other.*--by probabilities"):
        build_ensemble([one, two], EXAMPLES, params)
    more = build_member("셋", {"a": ["가", "나"], "b": ["나"]}, {"x": ["차"]})
    assert len(build_ensemble([one, more], EXAMPLES, params).valid) == 2


def test_other_documents_are_refused_by_name():
    good = build_member("one", {"a": ["가"], "b": ["나"]}, {"x": ["차"]})
    bad = build_member("two", {"a": ["가"]}, {"x": ["차"], "y": ["카"]})
    with pytest.raises(InputError) as refusal:
        check_documents([good, bad], EXAMPLES)
    assert refusal.value.mistakes == [
        "ensemble: two summarized other validation documents: 'b' stands in only one",
        "ensemble: two summarized other test documents: 'y' stands in only one",
    ]


def test_other_references_are_refused_where_they_are_known():
    from pipeline.scoring.rows import digest_references

    good, bad = (build_member(name, {"a": ["가"], "b": ["나"]}, {"x": ["차"]}) for name in ("one", "two"))
    good = replace(good, experiment=replace(good.experiment, split=digest_references(EXAMPLES)))
    check_documents([good, bad], EXAMPLES)
    bad = replace(bad, experiment=replace(bad.experiment, split="c0ffee"))
    with pytest.raises(InputError, match=r"^ensemble: two was scored against other references"):
        check_documents([good, bad], EXAMPLES)


def test_ranker_learns_which_member_and_which_candidates_to_trust(params):
    words = [f"말{n}" for n in range(8)]
    valid = pd.DataFrame({"id": [f"v{n}" for n in range(40)], "text": "글", "summaries": [[" ".join(words)]] * 40})
    test = pd.DataFrame({"id": ["t1", "t0"], "text": "글"})

    def build(name, kept, wrong):
        def write(ids, number):
            text = " ".join([*words[:kept], *(f"{wrong}{number}{n}" for n in range(8 - kept))])
            return [(key, "greedy", 0, text, 9, True) for key in ids]

        columns = ["id", "configuration", "candidate", "text", "tokens", "finished"]
        frames = [pd.DataFrame(write(ids, n), columns=columns) for n, ids in enumerate((valid["id"], test["id"]))]
        return Member(Experiment(name, {}, "greedy", pd.DataFrame({"id": valid["id"], "score": 0.1})), *frames)

    # most agree on what is wrong: consensus takes that
    members = [build("good", 6, "가"), build("bad", 1, "나"), build("worse", 2, "나")]
    examples = {"valid": valid, "test": test}
    assert "나" in build_ensemble(members, valid, params).test["summary"][0]
    summaries, details = build_ranked_ensemble(members, examples, Way.ridge, params, 0)
    assert summaries.test["id"].tolist() == ["t1", "t0"]
    assert summaries.valid["id"].tolist() == valid["id"].tolist()
    assert all("가" in text for text in [*summaries.valid["summary"], *summaries.test["summary"]])
    assert details["spearman"] == 1.0
    assert "likelier" not in details["said"]
    short = Member(members[0].experiment, members[0].valid, members[0].test[:1])
    with pytest.raises(InputError, match="'t0' stands in only one"):
        check_documents([*members[1:], short], valid)


def test_configuration_that_all_have_and_that_is_best_with_all_is_chosen():
    known = {name: Configuration(name, {}) for name in ("greedy", "beam", "own")}

    def build(**scores):
        return pd.DataFrame({"id": "a", "name": scores.keys(), "score": scores.values()})

    scores = [build(greedy=0.5, beam=0.6, own=0.9), build(greedy=0.9, beam=0.6, consensus=1.0)]
    assert choose_configuration(scores, known).name == "greedy"
    with pytest.raises(InputError, match="no decoding configuration in common"):
        choose_configuration([scores[0], build(other=0.1)], known)
