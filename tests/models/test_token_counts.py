"""Tokens of documents and summaries, counted part by part, and what of them is lost."""

import pytest

from pipeline.errors import InputError
from pipeline.models import token_counts
from pipeline.models.prompts import PromptBuilder
from pipeline.models.token_counts import count_tokens, describe_truncation


@pytest.fixture
def builder(tokenizer, make_params):
    params = make_params(
        **{
            "prompt.template": "{text}\n",
            "prompt.max_document_tokens": 10,
            "prompt.max_summary_tokens": 24,
            "decode.max_new_tokens": 8,
        }
    )
    return PromptBuilder(tokenizer, params.prompt, "head", 64, False)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_parts_are_counted_as_the_whole_is(builder, five_rows, size, monkeypatch):
    monkeypatch.setattr(token_counts, "_COUNTED", size)
    rows = five_rows.assign(summaries=[["1"], ["22", "333"], ["4"], ["5"], ["6"]])
    counts = {name: list(values) for name, values in count_tokens(rows, builder, "train").items()}
    prompts = builder.build_prompts(list(rows["text"]))
    assert counts["document"] == [prompt.document_tokens for prompt in prompts]
    assert counts["kept"] == [10] * 5
    # digits are a token each, and end-of-text
    assert counts["summary"] == [2, 3, 4, 2, 2, 2]
    assert len(count_tokens(rows.drop(columns="summaries"), builder, "test")["summary"]) == 0


def test_a_summary_without_room_is_refused_as_training_refuses_it(builder, five_rows):
    rows = five_rows.assign(summaries=[["1"], ["2"], ["3"], ["7" * 64], ["5"]])
    said = []
    for run in (
        lambda: count_tokens(rows, builder, "train"),
        lambda: builder.build_training_examples(rows["text"], [many[0] for many in rows["summaries"]], rows["id"]),
    ):
        with pytest.raises(InputError, match=r"^id 'a4': its summary of 65 tokens leaves no room") as refusal:
            run()
        said.append(str(refusal.value))
    assert said[0] == said[1]


def test_truncation_is_described_in_documents_and_tokens(builder):
    prompts = builder.build_prompts(["1" * 5, "1" * 10, "1" * 15])
    counts = ([getattr(prompt, name) for prompt in prompts] for name in ("document_tokens", "kept_tokens"))
    assert describe_truncation(*counts) == {
        "documents": 3,
        "tokens_median": 10,
        "tokens_max": 15,
        "documents_cut": 1,
        "tokens_cut_share": round(5 / 30, 4),
    }
