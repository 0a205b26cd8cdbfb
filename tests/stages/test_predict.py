"""predict: one summary a test document, in the order of the test file."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.scoring.rows import External
from pipeline.stages import predict as module
from pipeline.stages.predict import (
    Predicted,
    fill_empty,
    needs_model,
    predict,
    predict_baseline,
    predict_configuration,
    predict_consensus,
    predict_external,
)


@pytest.fixture
def documents():
    """Three test documents whose ids are in no order."""
    return pd.DataFrame({"id": ["b", "c", "a"], "text": ["비다. 비끝.", "씨다. 씨끝.", "에이다. 에이끝."]})


def test_baseline_is_given_in_the_order_of_test(documents):
    assert predict_baseline(documents, "lead-1").to_dict("list") == {
        "id": ["b", "c", "a"],
        "summary": ["비다.", "씨다.", "에이다."],
    }
    assert predict_baseline(documents, "tail-1")["summary"].tolist() == ["비끝.", "씨끝.", "에이끝."]


def test_test_frame_is_left_as_it_is(documents):
    before = documents.copy()
    predict_baseline(documents, "lead-1")
    pd.testing.assert_frame_equal(documents, before)


def test_first_candidate_of_the_selected_configuration_is_taken_by_id(documents, monkeypatch):
    asked = []

    def decode(decoder, builder, examples, configurations):
        asked.extend(configurations)
        rows = [(name, rank, f"{name}{rank}") for rank in (1, 0) for name in sorted(examples["id"])]
        return pd.DataFrame(rows, columns=["id", "candidate", "text"]), {}

    monkeypatch.setattr(module, "decode_examples", decode)
    settings = {"num_beams": 2, "max_new_tokens": 8}
    predictions, candidates = predict_configuration(
        None, None, documents, {"name": "beam", "kind": "configuration", "settings": settings}
    )
    assert len(candidates) == 6
    assert predictions.to_dict("list") == {"id": ["b", "c", "a"], "summary": ["b0", "c0", "a0"]}
    assert [(c.name, c.settings) for c in asked] == [("beam", settings)]


def test_map_reduce_is_decoded_by_parts(documents, monkeypatch):
    table = pd.DataFrame({"id": ["a", "c", "b"], "candidate": 0, "text": ["에이", "씨", "비"]})
    monkeypatch.setattr(module, "decode_by_parts", lambda *arguments: (table, {}))
    selection = {"name": "map-reduce", "kind": "map-reduce", "settings": {"max_new_tokens": 8}}
    predictions, _ = predict_configuration(None, None, documents, selection)
    assert predictions.to_dict("list") == {"id": ["b", "c", "a"], "summary": ["비", "씨", "에이"]}


@pytest.mark.parametrize("empty", ["", " ", "\n\t"])
def test_only_empty_summaries_are_filled(documents, empty):
    predictions = documents[["id"]].assign(summary=["요약", empty, " 요약 둘"])
    filled = fill_empty(predictions, documents, "lead-1")
    assert filled.to_dict("list") == {"id": ["b", "c", "a"], "summary": ["요약", "씨다.", " 요약 둘"]}


def test_empty_summary_is_filled_from_its_own_document_whatever_the_order(documents):
    predictions = pd.DataFrame({"id": ["a", "b", "c"], "summary": ["", "요약", "요약"]})
    assert fill_empty(predictions, documents, "lead-1")["summary"].tolist() == ["에이다.", "요약", "요약"]


def test_consensus_decodes_its_pool_alone_and_picks_what_most_agree_on(documents, monkeypatch):
    asked = []

    def decode(decoder, builder, examples, configurations):
        asked.extend(configurations)
        rows = [(name, "greedy", 0, f"{name} 홀로") for name in sorted(examples["id"])]
        rows += [(name, "sample", rank, f"{name} 함께 간다") for rank in (1, 0) for name in sorted(examples["id"])]
        return pd.DataFrame(rows, columns=["id", "configuration", "candidate", "text"]), {}

    monkeypatch.setattr(module, "decode_examples", decode)
    pool = [{"name": "greedy", "settings": {}}, {"name": "sample", "settings": {"do_sample": True}}]
    selection = {"name": "consensus/all", "kind": "consensus", "configurations": pool, "tokenizer": "whitespace"}
    selection |= {"metric_weights": {"rouge1": 1.0}, "weights": {}}
    predictions, _ = predict_consensus(None, None, documents, selection)
    assert predictions.to_dict("list") == {"id": ["b", "c", "a"], "summary": [f"{i} 함께 간다" for i in "bca"]}
    assert [(c.name, c.settings) for c in asked] == [("greedy", {}), ("sample", {"do_sample": True})]


def test_external_summaries_are_given_in_the_order_of_test(documents):
    predictions = predict_external(
        documents, External("chat", "chat.csv", "", {"a": "에이", "b": "비", "c": "씨", "v": "검증"})
    )
    assert predictions.to_dict("list") == {"id": ["b", "c", "a"], "summary": ["비", "씨", "에이"]}


def test_external_file_without_a_test_document_is_refused(documents):
    with pytest.raises(InputError, match=r"^chat\.csv: has no summary for test document 'c' \(and 1 more\)$"):
        predict_external(documents, External("chat", "chat.csv", "", {"b": "비"}))


class Shelf:
    """A source of models that says which was asked for."""

    def __init__(self):
        self.asked = []

    def load_tuned(self):
        self.asked.append("tuned")
        return "tuned", "its prompts"

    def load_base(self):
        self.asked.append("base")
        return "base"

    def build_base_prompts(self, shots):
        return f"{shots} shots"


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("baseline", []),
        ("external", []),
        ("configuration", ["tuned"]),
        ("consensus", ["tuned"]),
        ("map-reduce", ["tuned"]),
        ("untuned", ["base"]),
    ],
)
def test_only_the_model_that_what_won_needs_is_loaded(documents, kind, asked, monkeypatch):
    given, source = [], Shelf()
    for name in ("predict_configuration", "predict_consensus"):
        monkeypatch.setattr(
            module, name, lambda *arguments: given.append(arguments[:2]) or Predicted(documents, documents)
        )
    selection = {"name": "lead-1", "kind": kind, "shots": 2}
    external = External("chat", "chat.csv", "", dict.fromkeys("abc", "요약")) if kind == "external" else None
    assert predict(documents, selection, source, external).predictions["id"].tolist() == ["b", "c", "a"]
    assert source.asked == asked
    assert needs_model(selection) == bool(asked)
    assert given == {"base": [("base", "2 shots")], "tuned": [("tuned", "its prompts")]}.get((asked or [""])[0], [])
