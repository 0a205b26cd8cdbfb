"""What the examples browser holds: each text once, where tokens end, and no more than there is room for."""

from dataclasses import replace
from itertools import pairwise

import pytest
from builders import build_results

from pipeline.reporting.browser import add_cuts, build_browser, cut, rank_examples
from pipeline.scoring.rouge.tokenizers import build_tokenizer


@pytest.fixture
def browse(make_params):
    def browse(results, **changes):
        names = list(results.board["name"])
        report = make_params(**changes).report
        return build_browser(results.scores, results.examples, names, results.chosen, report)

    return browse


def test_equal_texts_are_stored_once(browse):
    results = build_results()
    found = browse(results)
    everything = {*results.scores["text"], *results.examples["text"], *(s[0] for s in results.examples["summaries"])}
    assert sorted(found["texts"]) == sorted(everything)
    # the first row is the reference, word by word
    assert all(one["texts"][0] == one["references"][0] for one in found["documents"])
    assert [found["texts"][one["text"]] for one in found["documents"]] == list(results.examples["text"])
    assert found["documents"][2]["scores"] == [
        round(v, 4) for v in results.scores.loc[results.scores["id"] == "d002", "score"]
    ]


def test_of_many_documents_the_worst_stay(browse):
    results = build_results(documents=40)
    found = browse(results, **{"report.examples": 8})
    scores = results.scores[results.scores["name"] == results.chosen].set_index("id")["score"]
    kept = [one["id"] for one in found["documents"]]
    assert len(kept) == 8
    assert kept == sorted(kept)
    assert set(scores.sort_values(kind="stable").index[:4]) <= set(kept)
    assert scores[kept].max() == scores.max()
    assert found["of"] == 40


def test_documents_without_room_are_left_out_but_for_one(browse):
    results = build_results(documents=40)
    small = browse(results, **{"report.megabytes": 0.005})
    assert 1 < len(small["documents"]) < 40
    assert len(browse(results, **{"report.megabytes": 1e-9})["documents"]) == 1


def test_score_that_is_no_number_is_none(browse):
    results = build_results()
    results.scores.loc[0, "score"] = float("nan")
    assert browse(results)["documents"][0]["scores"][0] is None


def test_document_that_a_row_lacks_has_no_text_there(browse):
    results = build_results()
    last = results.scores["name"].iloc[-1]
    left = results.scores.drop(results.scores.index[results.scores["name"] == last][1:])
    found = browse(replace(results, scores=left))["documents"]
    rows = [(one["texts"][-1], one["scores"][-1]) for one in found]
    assert rows[1:] == [(None, None)] * 5
    assert None not in rows[0]


def test_order_takes_the_worst_and_spreads_the_rest():
    order = rank_examples([i / 64 for i in range(64)])
    assert sorted(order) == list(range(64))
    assert order[::2][:3] == [0, 1, 2]
    others = sorted(order[:16], reverse=True)[:6]
    assert max(a - b for a, b in pairwise(others)) <= 16


@pytest.mark.parametrize("text", ["축제가 3일\u3000열렸다. ", "😀 웃는 얼굴 😀", "", "U.S. 달러 1,000원"])
def test_cuts_give_the_tokens_back(text):
    from pipeline.scoring.rouge.tokenizers import normalise_summary

    tokens = build_tokenizer("mecab")(normalise_summary(text))
    units, place, found = text.encode("utf-16-le"), 0, []
    for digit in cut(text, tokens):
        while units[place : place + 2].decode("utf-16-le", "replace").isspace():
            place += 2
        found.append(units[place : place + 2 * int(digit, 36)].decode("utf-16-le"))
        place += 2 * int(digit, 36)
    assert found == tokens


def test_tokens_that_are_not_the_texts_own_have_no_cuts():
    assert cut("갔다", ["가", "았", "다"]) is None
    assert cut("가나다", ["가", "나"]) is None
    assert cut("가" * 40, ["가" * 40]) is None


def test_only_morphemes_are_cut_here(browse, make_params):
    found = browse(build_results())
    cuts = add_cuts(found, make_params().score)
    assert cuts["unit"] == "morpheme"
    assert len(cuts["cuts"]) == len(found["texts"])
    assert None not in cuts["cuts"]
    for tokenizer, unit in {"whitespace": "word", "character": "character"}.items():
        assert add_cuts(found, make_params(**{"score.tokenizer": tokenizer}).score)["unit"] == unit
