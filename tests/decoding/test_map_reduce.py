"""Documents that do not fit: part by part equals doing the steps by hand with `generate`."""

import pandas as pd
import pytest
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder
from pipeline.decoding.map_reduce import decode_by_parts
from pipeline.decoding.shards import decode_examples
from pipeline.models.generation import summarize_greedily
from pipeline.models.prompts import PromptBuilder
from pipeline.params.grid import MapReduce

SHORT = "1일 서울에서 축제가 열렸다."
LONG = " ".join(f"{n}일 서울에서 축제가 열렸다. 시민 {n}00명이 참여했다." for n in range(2, 7))


@pytest.fixture
def make(tokenizer, make_params):
    """A decoder, prompts that keep 30 tokens of a document, and a configuration of so many new tokens."""

    def build(family, new_tokens):
        params = make_params(**{"prompt.max_document_tokens": 30, "prompt.max_summary_tokens": 64})
        model = build_tiny_model(family, len(tokenizer))
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        builder = PromptBuilder(tokenizer, params.prompt, "head", 128, model.config.is_encoder_decoder)
        decoder = Decoder(model, tokenizer, 4, seed=0)
        return decoder, builder, MapReduce("map-reduce", {"max_new_tokens": new_tokens})

    return build


@pytest.mark.parametrize(("family", "new_tokens", "rounds"), [("gptj", 3, 2), ("t5", 6, 3)])
def test_long_documents_are_summarized_as_by_hand(make, family, new_tokens, rounds):
    decoder, builder, configuration = make(family, new_tokens)
    examples = pd.DataFrame({"id": ["0", "a b"], "text": [LONG, LONG[::-1]]})
    passes = []

    def summarize(text):
        prompts = [prompt.input_ids for prompt in builder.build_prompts([text])]
        return summarize_greedily(decoder.model, decoder.tokenizer, prompts, new_tokens, 1)[0]

    def by_hand(text, depth=1):
        parts = builder.split_document(text)
        passes.append(depth)
        if len(parts) == 1:
            return summarize(text)
        return by_hand(" ".join(filter(None, map(summarize, parts))), depth + 1)

    table, effort = decode_by_parts(decoder, builder, examples, configuration)
    assert table["text"].tolist() == [by_hand(text) for text in examples["text"]]
    assert max(passes) == rounds
    assert table["id"].tolist() == ["0", "a b"]
    assert list(effort.seconds) == ["map-reduce"]


def test_documents_that_fit_are_decoded_as_they_are(make):
    decoder, builder, configuration = make("gptj", 8)
    examples = pd.DataFrame({"id": ["b", "a"], "text": [f" {SHORT}", SHORT * 2]})
    mixed = pd.concat([pd.DataFrame({"id": ["long"], "text": [LONG]}), examples], ignore_index=True)
    greedy, _ = decode_examples(decoder, builder, examples, [configuration])
    table, _ = decode_by_parts(decoder, builder, mixed, configuration)
    pd.testing.assert_frame_equal(table.iloc[1:].reset_index(drop=True), greedy)


def test_parts_whose_summaries_are_no_shorter_end_in_a_cut_join(make, monkeypatch):
    decoder, builder, configuration = make("gptj", 4)
    given = []

    def decode_longer(decoder, builder, examples, configurations):
        given.append(list(examples["text"]))
        rows = {"configuration": "map-reduce", "candidate": 0, "tokens": 1, "finished": True}
        return examples[["id"]].assign(**rows, text=examples["text"] + "가나다"), {}

    monkeypatch.setattr("pipeline.decoding.map_reduce.decode_examples", decode_longer)
    monkeypatch.setattr("pipeline.decoding.decoder.Effort.add", lambda *others: None)
    table, _ = decode_by_parts(decoder, builder, pd.DataFrame({"id": ["a"], "text": [LONG]}), configuration)
    assert len(given) == 2
    assert given[1] == [" ".join(f"{part}가나다" for part in given[0])]
    assert table["text"].tolist() == [given[1][0] + "가나다"]
