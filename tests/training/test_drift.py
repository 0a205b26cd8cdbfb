"""What a model writes while it learns, and when that ends its training."""

import pytest
from builders import build_tiny_model

from pipeline.models.generation import write_greedily
from pipeline.models.prompts import PromptBuilder
from pipeline.training.drift import build_writing, find_drift

START = {"loss": 2.0, "rouge": 0.3, "length": 20.0, "finished": 1.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": 2.09, "rouge": 0.0, "length": 21.9, "finished": 0.985}, None),
        ({"length": 18.1, "loss": 0.1}, None),
        ({"loss": 2.11}, "cross-entropy of the references rose from 2.000 to 2.110"),
        ({"loss": float("nan")}, "cross-entropy of the references rose from 2.000 to nan"),
        ({"length": 22.1}, "summaries went from 20.0 to 22.1 tokens"),
        ({"length": 17.9}, "summaries went from 20.0 to 17.9 tokens"),
        ({"finished": 0.96}, "96% of the summaries are finished, 100% were before"),
    ],
)
def test_training_goes_astray_by_loss_length_or_endings(change, said):
    assert find_drift(START, {**START, **change}) == said


def test_what_is_written_is_scored_counted_and_measured(tokenizer, five_rows, make_params):
    params = make_params(**{"prompt.max_summary_tokens": 12, "decode.max_new_tokens": 12})
    model = build_tiny_model("gptj", len(tokenizer))
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(five_rows["text"]))]
    texts, lengths, finished = zip(*write_greedily(model, tokenizer, prompts, 12, 2), strict=True)
    # of one the reference is what it writes
    known = five_rows.assign(summaries=[[texts[0]], *five_rows["summaries"][1:]])
    found = build_writing(builder, known, "mecab", {"rouge1": 1.0}, 2)(model)
    assert found["length"] == sum(lengths) / 5
    assert found["finished"] == sum(finished) / 5
    assert 0.2 <= found["rouge"] < 1
