"""How likely a model finds what was decoded: the oracle is its own loss on prompt and summary."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from builders import build_tiny_model

from pipeline.decoding import rescoring
from pipeline.decoding.decoder import Decoder
from pipeline.decoding.rescoring import rescore
from pipeline.models.prompts import PromptBuilder

DOCUMENTS = ["1일 서울에서 축제가 열렸다.", "2일 날씨가 맑았다.", "1일 서울에서 축제가 열렸다.", "2일 날씨가 맑았다."]
TEXTS = pd.DataFrame(
    {"text": ["축제가 열렸다.", "시민 100명이 참여했다.", "서울", ""], "finished": [True, True, False, True]}
)


def build(family, tokenizer, make_params):
    model = build_tiny_model(family, len(tokenizer))
    prompt = make_params().prompt.model_copy(update={"max_summary_tokens": 40})
    builder = PromptBuilder(tokenizer, prompt, "head", 128, model.config.is_encoder_decoder)
    return Decoder(model, tokenizer, None, 0), builder


def compute_loss(decoder, builder, document, text, finished):
    """The model's own, summed; of a causal model on prompt and label, of another on source and label."""
    (prompt,) = builder.build_prompts([document])
    (label,) = builder.build_labels([text])
    label = label if finished else label[:-1]
    if builder.is_encoder_decoder:
        given = {"input_ids": torch.tensor([prompt.input_ids]), "labels": torch.tensor([label])}
    else:
        ids = torch.tensor([prompt.input_ids + label])
        given = {"input_ids": ids, "labels": ids.index_fill(1, torch.arange(len(prompt.input_ids)), -100)}
    return decoder.model(**given).loss.item() * len(label), len(label)


@pytest.mark.parametrize("together", [2**25, 1])
@pytest.mark.parametrize("family", ["gptj", "llama", "t5"])
def test_nats_are_the_models_own_loss(family, together, tokenizer, make_params, monkeypatch):
    monkeypatch.setattr(rescoring, "LOGITS", together)
    decoder, builder = build(family, tokenizer, make_params)
    found = rescore(decoder, builder, DOCUMENTS, TEXTS)
    rows = zip(DOCUMENTS, TEXTS["text"], TEXTS["finished"], strict=True)
    expected = [compute_loss(decoder, builder, *row) for row in rows]
    assert found["nats"].tolist() == pytest.approx([nats for nats, _ in expected], rel=1e-5)
    assert found["tokens"].tolist() == [count for _, count in expected]


def test_without_documents_a_text_stands_behind_the_template_alone(tokenizer, make_params):
    decoder, builder = build("gptj", tokenizer, make_params)
    found = rescore(decoder, builder, None, TEXTS)
    assert found["nats"][1] == pytest.approx(compute_loss(decoder, builder, "", TEXTS["text"][1], True)[0], rel=1e-5)
    assert found["nats"].tolist() != pytest.approx(rescore(decoder, builder, DOCUMENTS, TEXTS)["nats"].tolist())


def test_a_document_is_read_once_for_all_of_its_texts(tokenizer, make_params, monkeypatch):
    decoder, builder = build("gptj", tokenizer, make_params)
    read = []
    compute = rescoring.compute_log_probabilities
    monkeypatch.setattr(
        rescoring,
        "compute_log_probabilities",
        lambda model, prompt, part, way: read.append(len(part)) or compute(model, prompt, part, way),
    )
    rescore(decoder, builder, DOCUMENTS, TEXTS)
    assert read == [2, 2]


def test_a_killed_run_goes_on_behind_what_it_read(tokenizer, make_params, monkeypatch, tmp_path):
    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path))
    decoder, builder = build("gptj", tokenizer, make_params)
    whole = rescore(decoder, builder, DOCUMENTS, TEXTS)
    decoder, compute, read = replace(decoder, fingerprint="model"), rescoring.compute_log_probabilities, []

    def read_one(model, prompt, part, way):
        if read:
            raise KeyboardInterrupt
        read.append(len(part))
        return compute(model, prompt, part, way)

    monkeypatch.setattr(rescoring, "compute_log_probabilities", read_one)
    with pytest.raises(KeyboardInterrupt):
        rescore(decoder, builder, DOCUMENTS, TEXTS)
    # the second document's alone
    read.clear()
    pd.testing.assert_frame_equal(rescore(decoder, builder, DOCUMENTS, TEXTS), whole)
    pd.testing.assert_frame_equal(rescore(decoder, builder, DOCUMENTS, TEXTS), whole)
    assert read == [2]


def test_a_text_that_outgrows_the_context_is_read_as_far_as_it_fits(tokenizer, make_params):
    decoder, builder = build("gpt2", tokenizer, make_params)
    long = pd.DataFrame({"text": ["축제 " * 200], "finished": [True]})
    (prompt,) = builder.build_prompts(DOCUMENTS[:1])
    assert rescore(decoder, builder, DOCUMENTS[:1], long)["tokens"][0] == 128 - len(prompt.input_ids)
