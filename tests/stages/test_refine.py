"""refine: what train left is loaded from disk, taught, and loads again; by whatever method it was trained."""

import pandas as pd
import pytest
import torch
from builders import TINY, build_recipe, build_tiny_model

from pipeline.models.adapter import save_adapter
from pipeline.models.base import load_base, save_model
from pipeline.models.loading import load_model, load_prompt_builder
from pipeline.stages.refine import describe_run, refine, select_metrics
from pipeline.stages.train import train
from pipeline.tables import EXPLORED

SHORT = {"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 24, "train.num_train_epochs": 1}


@pytest.mark.parametrize(
    ("family", "method", "tokens"),
    [
        ("t5", "lora", []),
        ("llama", "lora", ["축제가"]),
        ("llama", "full", []),
        # of soft prompts one runs every day
        pytest.param("gpt2", "prompt_tuning", [], marks=pytest.mark.slow),
        ("gptj", "prefix_tuning", []),
    ],
)
def test_what_train_left_goes_on_learning(
    family, method, tokens, tokenizer, five_rows, make_params, tmp_path, monkeypatch
):
    teaching = {"refine.method": "brio", "refine.learning_rate": 0.01, "refine.per_device_train_batch_size": 5}
    params = make_params(
        **{**TINY, **SHORT, **teaching, "train.method": method, "prompt_tuning.prefix_projection": True}
    )
    save_model(build_tiny_model(family, len(tokenizer)), tokenizer, tmp_path / "base")
    base, recipe = load_base(tmp_path / "base"), build_recipe(params)
    builder = load_prompt_builder(base, params.model, params.prompt, "head").add_special_tokens(tokens)
    examples = {"train": five_rows, "valid": five_rows}
    tuned = train(base, builder, examples, recipe, tmp_path / "train", {})
    (tmp_path / "adapter").mkdir()
    save_adapter(method, tuned.model, tuned.tokenizer, tmp_path / "adapter", tokens)
    labels = builder.build_labels([many[0] for many in five_rows["summaries"]])
    rows = [
        (name, rank, "", ids[: 4 + 3 * rank], -20.0 + rank, True, 0.5 - rank / 5)
        for name, ids in zip(five_rows["id"], labels, strict=True)
        for rank in range(2)
    ]
    examples["explored"] = pd.DataFrame(rows, columns=list(EXPLORED))
    # a state that scores above the start, whatever so small a model writes
    scores = iter((0.1, 0.2))
    monkeypatch.setattr(
        "pipeline.training.drift.compute_weighted_rouge", lambda texts, *args: pd.Series([next(scores)] * len(texts))
    )
    monkeypatch.setattr("pipeline.training.refine_trainer.find_drift", lambda *args: None)
    refined = refine((base, tmp_path / "adapter"), builder, examples, recipe, params.refine, tmp_path / "refine")
    if method != "prefix_tuning":
        # of a prefix only what its network made of it is left
        assert refined.details["trainable_parameters"] == tuned.details["trainable_parameters"]
    assert select_metrics(refined.details) == {"valid_rouge_before": 0.1, "valid_rouge": 0.2}
    assert describe_run(refined.details) == "refine: ROUGE 10.0 -> 20.0 on validation after 1 of 1 updates"
    # it began where training ended
    assert refined.details["validations"][0]["loss"] == pytest.approx(tuned.details["valid_loss"], abs=2e-3)
    (tmp_path / "refined").mkdir()
    save_adapter(method, refined.model, refined.tokenizer, tmp_path / "refined", tokens)
    ids = {"input_ids": torch.tensor([tokenizer("서울에서 축제가 열렸다.")["input_ids"]])}
    if family == "t5":
        ids["decoder_input_ids"] = ids["input_ids"]
    with torch.no_grad():
        before, after = (
            load_model(base, params.model, tmp_path / name, "cpu")[0](**ids).logits for name in ("adapter", "refined")
        )
        assert not torch.allclose(before, after, atol=1e-3)
        assert torch.allclose(refined.model.eval()(**ids).logits, after, atol=1e-3)
