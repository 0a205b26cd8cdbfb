"""rank and what predicts by it: likelihoods of the grid's candidates, and the choice that was learnt."""

import pandas as pd
import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder
from pipeline.errors import InputError
from pipeline.models.prompts import PromptBuilder
from pipeline.params.grid import Configuration
from pipeline.scoring.ranking.candidates import FEATURES
from pipeline.stages.predict import predict
from pipeline.stages.rank import compute_likelihoods
from pipeline.tables import LIKELIHOODS, load_table, save_empty_table, save_table


class TinySource:
    """A tuned model and a base of other weights."""

    def __init__(self, tokenizer, params):
        self.tokenizer = tokenizer
        prompt = params.prompt.model_copy(update={"max_summary_tokens": 24})
        self.builder = PromptBuilder(tokenizer, prompt, "head", 128, False)

    def load_tuned(self):
        return Decoder(build_tiny_model("gptj", len(self.tokenizer)), self.tokenizer, None, 0), self.builder

    def load_base(self):
        return Decoder(build_tiny_model("llama", len(self.tokenizer)), self.tokenizer, None, 0)

    def build_base_prompts(self, shots):
        assert shots == 0
        return self.builder


@pytest.fixture
def source(tokenizer, make_params):
    return TinySource(tokenizer, make_params())


def test_each_text_of_a_document_is_read_once_by_both_models(source, five_rows, tmp_path):
    rows = [("a1", "greedy", "축제"), ("a2", "greedy", "축제"), ("a1", "beam", "축제"), ("a1", "untuned", "시민")]
    candidates = pd.DataFrame(rows, columns=["id", "configuration", "text"]).assign(
        candidate=0, tokens=2, finished=True
    )
    likelihoods = compute_likelihoods(candidates, five_rows, source)
    assert likelihoods[["id", "text"]].to_numpy().tolist() == [["a1", "축제"], ["a2", "축제"]]
    # the tuned model reads the document, the base does not
    assert likelihoods["nats"][0] != likelihoods["nats"][1]
    assert likelihoods["base_nats"][0] == pytest.approx(likelihoods["base_nats"][1], rel=1e-5)
    save_empty_table(tmp_path / "none.parquet", LIKELIHOODS)
    for table in (likelihoods, load_table(tmp_path / "none.parquet", LIKELIHOODS)):
        save_table(table, tmp_path / "l.parquet", LIKELIHOODS)
        pd.testing.assert_frame_equal(load_table(tmp_path / "l.parquet", LIKELIHOODS), table, check_dtype=False)


def test_likelihoods_that_are_no_numbers_are_refused_by_document(source, five_rows, monkeypatch):
    decoder, builder = source.load_tuned()
    with torch.no_grad():
        next(decoder.model.parameters()).fill_(float("nan"))
    monkeypatch.setattr(source, "load_tuned", lambda: (decoder, builder))
    candidates = pd.DataFrame({"id": ["a1", "a2"], "configuration": "greedy", "text": "축제", "finished": True})
    with pytest.raises(InputError, match=r"rank: how likely a summary of document 'a1' is.*\(and 1 more\); choose"):
        compute_likelihoods(candidates, five_rows, source)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_prediction_is_the_candidate_that_the_ranker_likes_best(source, five_rows, sign):
    settings = {"do_sample": True, "num_return_sequences": 4, "max_new_tokens": 8}
    selection = {
        "name": "rank/ridge",
        "kind": "rank",
        "engine": "auto",
        "tokenizer": "whitespace",
        "metric_weights": {"rouge1": 1.0},
        "configurations": [{"name": "sample", "settings": settings}],
        "ranker": {
            "method": "ridge",
            "writers": {},
            "weights": {name: 0.0 for name in FEATURES} | {"likelihood": sign},
        },
    }
    test = five_rows[["id", "text"]].iloc[::-1]
    predictions, kept = predict(test, selection, source, None)
    assert len(kept) == 4 * len(test)
    assert predictions["id"].tolist() == test["id"].tolist()
    from pipeline.decoding.shards import decode_examples

    decoded, _ = decode_examples(*source.load_tuned(), test, [Configuration("sample", settings)])
    likelihoods = compute_likelihoods(decoded, test, source).assign(nats=lambda table: sign * table["nats"])
    best = likelihoods.sort_values("nats", kind="stable").groupby("id")["text"].first()
    assert predictions["summary"].tolist() == best.loc[test["id"]].tolist()
