"""A base from scratch, or a pretrained one pinned."""

import pytest

from pipeline.competition.corpus import collect_texts
from pipeline.errors import InputError
from pipeline.models.base import load_base, save_model, save_pins
from pipeline.models.scratch import build_scratch_model, build_scratch_tokenizer
from pipeline.stages.pretrain import (
    build_pretraining_arguments,
    describe_adaptation,
    pin_base,
    pin_parts,
    pretrain,
    select_metrics,
    train_scratch,
)
from pipeline.training.texts import build_blocks

TINY = {"pretrain.n_embd": 32, "pretrain.n_layer": 1, "pretrain.n_head": 2, "pretrain.vocab_size": 400}
TINY |= {"pretrain.block_size": 32, "pretrain.n_positions": 128, "pretrain.num_train_epochs": 40}


def test_pretraining_learns_and_is_repeatable(five_rows, make_params, tmp_path):
    params = make_params(**TINY).pretrain
    texts = list(collect_texts({"train": five_rows}, ["train"])["text"])
    weights, losses = [], []
    for _ in range(2):
        tokenizer = build_scratch_tokenizer(texts, params)
        model = build_scratch_model(tokenizer, params, seed=1)
        blocks = build_blocks(texts, tokenizer, params.block_size)
        arguments = build_pretraining_arguments(params, "fp32", tmp_path / "unused", seed=1)
        losses.append(train_scratch(model, tokenizer, blocks, arguments)["loss"])
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
    # an untrained model is at ln(400) = 6 nats a token
    assert losses[0] < 5
    assert losses[0] == losses[1]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    save_model(model, tokenizer, tmp_path / "base")
    assert {p.name for p in (tmp_path / "base").iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip


def test_loss_that_is_no_number_is_refused(tokenizer, make_params, tmp_path):
    import torch

    params = make_params(**TINY).pretrain
    model = build_scratch_model(tokenizer, params, seed=1)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    arguments = build_pretraining_arguments(params, "fp32", tmp_path / "unused", seed=1)
    with pytest.raises(InputError, match=r"pretrain: the loss is not a number any more"):
        train_scratch(model, tokenizer, [[1, 2, 3, 4]], arguments)


def test_folder_is_pinned_by_content_without_a_copy(five_rows, make_params, tmp_path):
    params = make_params(**TINY)
    tokenizer = build_scratch_tokenizer(list(five_rows["text"]), params.pretrain)
    save_model(build_scratch_model(tokenizer, params.pretrain, 1), tokenizer, tmp_path / "m")
    base = pin_base(make_params(**{"model.name": str(tmp_path / "m")}).model)
    assert base.name == str(tmp_path / "m")
    assert base.revision is None
    assert base.fingerprint == load_base(tmp_path / "m").fingerprint


def test_hub_model_out_of_reach_is_refused_in_one_line(make_params):
    with pytest.raises(InputError) as refusal:
        pin_base(make_params(**{"model.name": "skt/kogpt2-base-v2"}).model)
    assert str(refusal.value).startswith("model.name: skt/kogpt2-base-v2: cannot be loaded")


def test_new_base_is_a_model_made_here_or_a_pointer(five_rows, tokenizer, make_params, tmp_path):
    sizes = {"pretrain.vocab_size": 300, "pretrain.n_embd": 32, "pretrain.n_head": 2, "pretrain.n_layer": 1}
    params = make_params(**sizes, **{"pretrain.num_train_epochs": 1})
    texts = collect_texts({"train": five_rows}, ["train"])
    made = pretrain(texts, params, pin_parts(params.model), tmp_path / "run")
    assert made.pinned is None
    assert made.details["parameters"] == made.model.num_parameters()
    save_model(made.model, made.tokenizer, tmp_path / "made")
    params = make_params(**sizes, **{"model.name": str(tmp_path / "made")})
    pinned = pretrain(collect_texts({}, []), params, pin_parts(params.model), tmp_path / "run")
    assert (pinned.model, pinned.pinned.name) == (None, str(tmp_path / "made"))
    assert pinned.details == {"fingerprint": pinned.pinned.fingerprint}


def test_adapted_base_is_a_model_of_our_own_that_knows_what_it_was_made_of(
    five_rows, model_folder, make_params, tmp_path
):
    adapt = {"pretrain.adapt.method": "lora", "pretrain.adapt.num_train_epochs": 1, "pretrain.adapt.block_size": 32}
    params = make_params(**{"model.name": str(model_folder), "model.precision": "fp32"}, **adapt)
    texts = collect_texts({"train": five_rows}, ["train"])
    made = pretrain(texts, params, pin_parts(params.model), tmp_path / "run")
    assert select_metrics(made.details).keys() == {"perplexity_before", "perplexity"}
    (line,) = describe_adaptation(made.details)
    assert line.startswith("base: read 8 texts (")
    save_model(made.model, made.tokenizer, tmp_path / "base")
    save_pins(made.parts, tmp_path / "base")
    assert load_base(tmp_path / "base").name == str(tmp_path / "base")
    (model_folder / "config.json").write_text((model_folder / "config.json").read_text() + " ")
    with pytest.raises(InputError, match=r"^model\.name: .*: changed since the pretrain stage looked at it"):
        load_base(tmp_path / "base")
