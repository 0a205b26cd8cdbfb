"""Candidates of every configuration; batching and padding change nothing."""

from collections import Counter

import pandas as pd
from builders import build_tiny_model

from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.shards import decode_examples
from pipeline.models.prompts import PromptBuilder
from pipeline.params.grid import list_configurations, list_untuned
from pipeline.stages.decode import compute_details, decode, decode_openings, describe_rounds, search_grid


def build_decoder(family, tokenizer, batch_size):
    model = build_tiny_model(family, len(tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return Decoder(model, tokenizer, batch_size, seed=0)


def test_prompts_of_decode_are_built_by_the_one_template(tokenizer, five_rows, make_params):
    params = make_params(**{"decode.max_new_tokens": 8, "prompt.max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    configurations = [list_configurations(params.decode)[0], list_untuned(params.decode)[0]]
    candidates, effort = decode_examples(build_decoder("gptj", tokenizer, 4), builder, five_rows, configurations)
    assert candidates["configuration"].unique().tolist() == ["greedy/no_repeat_ngram_size:0", "untuned"]
    assert (candidates["tokens"] <= 8).all()
    metrics = compute_details(candidates, effort)
    assert (metrics["documents"], metrics["configurations"]) == (5, 2)
    # both are greedy here, so every row was wanted twice
    assert metrics["distinct_rows"] == 0.5
    remembered = compute_details(candidates, Effort(Counter(dict.fromkeys(effort.seconds, 0.0))))
    assert (remembered["tokens_per_second"], remembered["distinct_rows"]) == (0, None)


def test_halving_gives_the_survivors_what_the_whole_grid_gives_them(tokenizer, five_rows, make_params):
    grid = {"greedy": {"no_repeat_ngram_size": [0, 2, 3], "repetition_penalty": [1.0, 1.2, 1.5]}}
    changes = {"decode.grid": grid, "decode.max_new_tokens": 8, "prompt.max_summary_tokens": 24}
    params = make_params(**changes, **{"decode.search": "halving"})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    many = pd.concat([five_rows.assign(id=five_rows["id"] + str(n)) for n in range(20)], ignore_index=True)
    decoder = build_decoder("gptj", tokenizer, None)
    halved, effort, rounds = search_grid(decoder, builder, many, params.decode)
    whole, full, none = search_grid(decoder, builder, many, make_params(**changes).decode)
    assert none == []
    left = halved["configuration"].unique()
    assert 1 <= len(left) < 9
    pd.testing.assert_frame_equal(halved, whole[whole["configuration"].isin(left)].reset_index(drop=True))
    assert effort.wanted_rows < full.wanted_rows / 2
    assert [len(rounds[0]["scores"]), rounds[-1]["documents"]] == [9, 100]
    assert list(rounds[-1]["scores"]) == sorted(left, key=lambda name: -rounds[-1]["scores"][name])
    assert compute_details(halved, effort, rounds)["rounds"] == rounds
    assert describe_rounds(rounds).startswith("halving: 9 configurations for 20 documents, ")


def test_untuned_rows_stand_behind_the_grid_and_share_one_base(tokenizer, five_rows, make_params):
    grid = {"greedy": {}, "beam": {"num_beams": 2}}
    changes = {"decode.grid": grid, "decode.max_new_tokens": 8, "prompt.max_summary_tokens": 24, "decode.few_shot": 2}
    params = make_params(**changes)
    asked = []

    class Shelf:
        def load_tuned(self):
            asked.append("tuned")
            return build_decoder("gptj", tokenizer, 4), self.build_base_prompts(0)

        def load_base(self):
            asked.append("base")
            return build_decoder("gpt2", tokenizer, 4)

        def build_base_prompts(self, shots):
            asked.append(shots)
            return PromptBuilder(tokenizer, params.prompt, "head", 128, False)

    decoded = decode(five_rows, params.decode, Shelf())
    assert decoded.candidates["configuration"].unique().tolist() == ["greedy", "beam", "untuned", "few-shot"]
    assert asked == ["tuned", 0, "base", 0, 2]
    assert (decoded.details["documents"], decoded.details["configurations"], decoded.rounds) == (5, 4, [])
    counts = decode(five_rows, make_params(**changes, **{"decode.untuned_documents": 2}).decode, Shelf()).candidates
    assert counts.groupby("configuration", sort=False).size().tolist() == [5, 5, 2, 2]
    by_name = counts.groupby("configuration")["id"].agg(list)
    # the same two for both
    assert by_name["untuned"] == by_name["few-shot"]
    asked[:] = ["tuned", 0, "base", 0, 2]
    parts = decode(five_rows, make_params(**changes, **{"decode.map_reduce": True}).decode, Shelf())
    assert parts.candidates["configuration"].unique().tolist() == [
        "greedy",
        "beam",
        "map-reduce",
        "untuned",
        "few-shot",
    ]
    # all of the five fit
    texts = parts.candidates.groupby("configuration")["text"].agg(list)
    assert texts["map-reduce"] == texts["greedy"]
    asked.clear()
    alone = decode(five_rows, make_params(**{**changes, "decode.untuned": False, "decode.few_shot": 0}).decode, Shelf())
    pd.testing.assert_frame_equal(alone.candidates, decoded.candidates.iloc[: len(alone.candidates)])
    assert asked == ["tuned", 0]


def test_untuned_base_writes_on_some_openings_alone(tokenizer, five_rows, make_params):
    made = {"task": "generation", "prompt.template": "{text}", "decode.few_shot": 0, "decode.grid": {"greedy": {}}}
    params = make_params(**made, **{"decode.max_new_tokens": 8, "decode.untuned_documents": 2})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)

    class Shelf:
        def load_tuned(self):
            return build_decoder("gptj", tokenizer, 4), builder

        def load_base(self):
            return build_decoder("gpt2", tokenizer, 4)

        def build_base_prompts(self, shots):
            return builder

    decoded = decode_openings(five_rows, params.decode, Shelf())
    counts = decoded.candidates.groupby("configuration", sort=False).size()
    assert counts.to_dict() == {"greedy": 5, "untuned": 2, "human": 5}
