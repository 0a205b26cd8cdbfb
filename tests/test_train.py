"""Real but tiny training: the loss is where the labels are, it falls, and a killed run goes on."""

import shutil

import pytest
import torch
from conftest import build_tiny_model

from pipeline.errors import InputError
from pipeline.prompts import PromptBuilder
from pipeline.train import (
    attach_lora,
    build_arguments,
    build_collator,
    build_features,
    build_trainer,
    find_last_checkpoint,
    train,
)

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]


def build_everything(family, tokenizer, five_rows, params):
    model = build_tiny_model(family, len(tokenizer))
    prompt = params.prompt.model_copy(update={"max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, prompt, "head", 128, model.config.is_encoder_decoder)
    return model, build_features(five_rows, builder), build_collator(model, tokenizer.pad_token_id)


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_equals_the_models_own_over_full_sequences(family, tokenizer, five_rows, make_params):
    model, features, collator = build_everything(family, tokenizer, five_rows, make_params())
    ragged = [
        {"input_ids": f["input_ids"][i:], "labels": f["labels"]} for i, f in enumerate(features)
    ]  # documents of several lengths, so that padding matters
    with torch.no_grad():
        ours = model(**collator(ragged)).loss
        total, count = 0.0, 0
        for feature in ragged:
            ids, labels = feature["input_ids"], feature["labels"]
            full = labels if model.config.is_encoder_decoder else [-100] * (len(ids) - len(labels)) + labels
            loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([full])).loss
            total, count = total + loss.item() * len(labels), count + len(labels)
    assert ours.item() == pytest.approx(total / count, abs=1e-4)


def test_head_runs_at_label_positions_only(tokenizer, five_rows, make_params):
    model, features, collator = build_everything("gptj", tokenizer, five_rows, make_params())
    longest = max(len(feature["labels"]) for feature in features)
    assert model(**collator(features)).logits.shape[1] == longest + 1
    assert longest + 1 < len(features[0]["input_ids"])


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_trains_the_adapter_alone_and_the_loss_falls(family, tokenizer, five_rows, make_params, tmp_path):
    params = make_params(
        **{"lora.target_modules": "auto", "lora.r": 4, "train.num_train_epochs": 6, "train.warmup_steps": 0}
    )
    model, features, collator = build_everything(family, tokenizer, five_rows, params)
    adapted = attach_lora(model, params.lora, 1)
    frozen = {name: value.clone() for name, value in adapted.named_parameters() if not value.requires_grad}
    splits = {"train": features, "valid": features}
    before = build_trainer(adapted, collator, splits, build_arguments(params.train, "fp32", tmp_path, 1)).evaluate()[
        "eval_loss"
    ]
    trainer = build_trainer(adapted, collator, splits, build_arguments(params.train, "fp32", tmp_path, 1))
    metrics, history = train(trainer)
    assert metrics["valid_loss"] < before
    assert metrics["steps"] == 6
    assert history.columns.tolist() == ["step", "loss", "learning_rate"]
    assert all(value.equal(frozen[name]) for name, value in adapted.named_parameters() if name in frozen)
    adapted.save_pretrained(tmp_path / "adapter")
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {p.name for p in (tmp_path / "adapter").iterdir()}


def test_killed_and_resumed_equals_never_killed(tokenizer, five_rows, make_params, tmp_path):
    from transformers import TrainerCallback

    class Killer(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            if state.epoch >= 2:
                raise KeyboardInterrupt

    params = make_params(
        **{"train.num_train_epochs": 4, "lora.lora_dropout": 0.1, "train.per_device_train_batch_size": 2}
    )

    def run(folder, callback=None):
        model, features, collator = build_everything("gptj", tokenizer, five_rows, params)
        adapted = attach_lora(model, params.lora, 1)
        splits = {"train": features, "valid": features}
        trainer = build_trainer(adapted, collator, splits, build_arguments(params.train, "fp32", folder, 1))
        if callback:
            trainer.add_callback(callback)
        train(trainer)
        return {name: value for name, value in adapted.named_parameters() if value.requires_grad}

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", Killer())
    assert find_last_checkpoint(tmp_path / "killed")
    # killed once more, while the next checkpoint was being written
    shutil.copytree(find_last_checkpoint(tmp_path / "killed"), tmp_path / "killed/checkpoint-99")
    (tmp_path / "killed/checkpoint-99/trainer_state.json").write_text('{"best_glo')
    resumed = run(tmp_path / "killed")
    assert all(value.equal(resumed[name]) for name, value in whole.items())


def test_checkpoint_cut_short_is_removed_and_the_one_before_it_found(tmp_path):
    for number, state in ((3, "{}"), (20, "{}"), (100, '{"epo'), (101, None)):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if state is not None:
            (tmp_path / f"checkpoint-{number}/trainer_state.json").write_text(state)
    assert find_last_checkpoint(tmp_path) == tmp_path / "checkpoint-20"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-3", "checkpoint-20"}
    assert find_last_checkpoint(tmp_path / "nowhere") is None


def test_unknown_target_module_is_refused_by_key(tokenizer, make_params):
    params = make_params(**{"lora.target_modules": ["no_such_proj"]})
    with pytest.raises(InputError, match=r"lora\.target_modules: \['no_such_proj'\]"):
        attach_lora(build_tiny_model("gpt2", 50), params.lora, 1)


def test_loss_that_is_no_number_is_refused(tokenizer, five_rows, make_params, tmp_path):
    params = make_params(**{"train.num_train_epochs": 1})
    model, features, collator = build_everything("gpt2", tokenizer, five_rows, params)
    adapted = attach_lora(model, params.lora, 1)
    with torch.no_grad():
        next(p for p in adapted.parameters() if p.requires_grad).fill_(float("nan"))
    splits = {"train": features, "valid": features}
    trainer = build_trainer(adapted, collator, splits, build_arguments(params.train, "fp32", tmp_path, 1))
    with pytest.raises(InputError, match="the loss is not a number any more"):
        train(trainer)
