"""Several summaries of a document: equal ones once, in order, with their tokens and log-probabilities."""

from itertools import chain

import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding.candidates import collect_candidates
from pipeline.decoding.decoder import Decoder
from pipeline.decoding.grid import decode_grid
from pipeline.decoding.rescoring import compute_sums
from pipeline.models.generation import read_summary
from pipeline.models.prompts import PromptBuilder
from pipeline.params.grid import Configuration, build_configurations, count_candidates

GRID = {"beam": {"num_beams": 3, "num_return_sequences": 3}, "samples": {"do_sample": True, "num_return_sequences": 2}}


def build(family, tokenizer, params):
    model = build_tiny_model(family, len(tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return Decoder(model, tokenizer, 2, 0), PromptBuilder(
        tokenizer, params.prompt, "head", 128, model.config.is_encoder_decoder
    )


@pytest.mark.parametrize("family", ["gptj", "t5"])
def test_candidates_have_the_tokens_that_were_written_and_their_probability(family, tokenizer, five_rows, make_params):
    writer = build(family, tokenizer, make_params(**{"prompt.max_summary_tokens": 8, "decode.max_new_tokens": 8}))
    # the same beams under another name write nothing new
    configurations = build_configurations({**GRID, "twice": GRID["beam"]}, 8)
    assert count_candidates(configurations) == 8
    table = collect_candidates(*writer, five_rows, configurations)
    assert table["id"].unique().tolist() == list(five_rows["id"])
    assert table.groupby("id")["candidate"].agg(list).tolist() == [list(range(n)) for n in table.groupby("id").size()]
    assert not table.duplicated(["id", "text"]).any()
    assert set(table["configuration"]) == {"beam", "samples"}
    decoder, builder = writer
    prompts = dict(zip(five_rows["id"], builder.build_prompts(list(five_rows["text"])), strict=True))
    for row in table.tail(6).itertuples():
        assert read_summary(row.token_ids, tokenizer) == (row.text, len(row.token_ids), row.finished)
        prompt = prompts[row.id].input_ids
        with torch.no_grad():
            if family == "t5":
                given = torch.tensor([[decoder.model.config.decoder_start_token_id, *row.token_ids[:-1]]])
                logits = decoder.model(input_ids=torch.tensor([prompt]), decoder_input_ids=given).logits[0]
            else:
                ids = torch.tensor([prompt + row.token_ids])
                logits = decoder.model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1)[range(len(row.token_ids)), row.token_ids].sum().item()
        assert row.log_probability == pytest.approx(expected, abs=1e-3)


def test_processes_share_the_documents(tokenizer, five_rows, make_params, monkeypatch):
    decoder, builder = build(
        "gptj", tokenizer, make_params(**{"prompt.max_summary_tokens": 8, "decode.max_new_tokens": 8})
    )
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(five_rows["text"]))]
    texts = [[[5, 6], [7 + n]] for n in range(5)]
    alone = compute_sums(decoder.model, prompts, texts, "explore")
    parts, ranks = [], iter((0, 1))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: next(ranks))
    # the second process finds what the first gave
    monkeypatch.setattr("accelerate.utils.gather_object", lambda part: parts.extend(part) or list(parts))
    with pytest.raises(KeyError):
        compute_sums(decoder.model, prompts, texts, "explore")
    assert [*chain.from_iterable(compute_sums(decoder.model, prompts, texts, "explore"))] == pytest.approx(
        [*chain.from_iterable(alone)]
    )


def test_table_of_a_grid_carries_tokens(tokenizer, make_params):
    decoder, _ = build("gptj", tokenizer, make_params())
    table, _ = decode_grid(decoder, ["a"], [[5, 6, 7]], [Configuration("greedy", {"max_new_tokens": 5})])
    assert [len(ids) for ids in table["token_ids"]] == table["tokens"].tolist()
