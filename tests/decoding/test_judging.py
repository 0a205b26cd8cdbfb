"""How likely a model finds a text: the oracle is its own loss."""

import pandas as pd
import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding import judging
from pipeline.decoding.decoder import Decoder
from pipeline.decoding.judging import collect_human, compute_nats, judge
from pipeline.models.continuations import encode_texts
from pipeline.models.prompts import PromptBuilder

OPENINGS = pd.DataFrame(
    {
        "id": ["a", "b"],
        "text": ["1일 서울에서", "2일"],
        "summaries": [[" 축제가 열렸다."], ["\n날씨가 맑았다. 시민 100명이 참여했다."]],
    }
)


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama"])
def test_nats_are_the_models_own_loss_however_batches_fall(family, tokenizer, monkeypatch):
    model = build_tiny_model(family, len(tokenizer))
    pairs = [([5, 6, 7], [8, 9]), ([10], [11, 12, 13, 14, 15]), ([5, 6], []), ([7, 8, 9, 10], [11])]
    expected = []
    for prompt, tokens in pairs:
        labels = torch.tensor([[-100] * len(prompt) + tokens])
        loss = model(input_ids=torch.tensor([prompt + tokens]), labels=labels).loss if tokens else torch.tensor(0.0)
        expected.append(loss.item() * len(tokens))
    assert compute_nats(model, pairs) == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr(judging, "LOGITS", 1)
    assert compute_nats(model, pairs) == pytest.approx(expected, abs=1e-4)


def test_people_may_write_no_more_than_a_configuration(tokenizer):
    lengths = [len(encode_texts(tokenizer, [rest])[0]) for (rest,) in OPENINGS["summaries"]]
    assert lengths[0] < lengths[1]
    human = collect_human(OPENINGS, tokenizer, lengths[1])
    # the end-of-text of the second has no room any more
    assert human["finished"].tolist() == [True, False]
    assert human["tokens"].tolist() == [lengths[0] + 1, lengths[1]]
    assert human["text"].tolist() == [" 축제가 열렸다.", "\n날씨가 맑았다. 시민 100명이 참여했다."]
    cut = collect_human(OPENINGS, tokenizer, lengths[0] - 1)["text"]
    assert all(rest.startswith(text) and text != rest for text, (rest,) in zip(cut, OPENINGS["summaries"], strict=True))


def test_judged_is_the_text_behind_its_opening_with_its_end(tokenizer, make_params):
    model = build_tiny_model("gptj", len(tokenizer))
    params = make_params(**{"prompt.template": "{text}", "prompt.max_summary_tokens": 24, "decode.max_new_tokens": 24})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    human = collect_human(OPENINGS, tokenizer, 24).assign(finished=[True, False])
    judged = judge(Decoder(model, tokenizer, 2, 0), builder, OPENINGS, human)
    prompt, rest = (encode_texts(tokenizer, [text])[0] for text in ("1일 서울에서", " 축제가 열렸다."))
    assert judged["tokens"].tolist()[0] == len(rest) + 1
    assert judged["nats"].tolist()[0] == pytest.approx(
        compute_nats(model, [(prompt, [*rest, tokenizer.eos_token_id])])[0]
    )
    # nothing reaches over the context
    short = PromptBuilder(tokenizer, params.prompt, "head", 28, False)
    assert (judge(Decoder(model, tokenizer, 2, 0), short, OPENINGS, human)["tokens"] <= 27).all()
