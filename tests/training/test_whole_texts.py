"""Whole texts are learnt token by token, and a killed run goes on bit for bit."""

from dataclasses import replace

import pytest
from builders import TINY, build_recipe, build_tiny_model

from pipeline.models.continuations import encode_texts
from pipeline.models.prompts import PromptBuilder
from pipeline.training.checkpoints import find_last_checkpoint
from pipeline.training.objectives import Objective
from pipeline.training.tuning import tune
from pipeline.training.whole_texts import build_whole_text_features


@pytest.fixture
def build(tokenizer, five_rows, make_params):
    """A builder, examples of whole texts and of openings with their rest, and a recipe."""

    def build(**changes):
        params = make_params(**{**TINY, "generation.block_size": 32, **changes})
        recipe = replace(build_recipe(params), generation=params.generation)
        train = five_rows.assign(summaries=[[] for _ in range(5)])
        valid = five_rows.head(2).assign(
            text=five_rows["text"].str[:9], summaries=five_rows["text"].str[9:].map(lambda t: [t])
        )
        return PromptBuilder(tokenizer, params.prompt, "head", 128, False), {"train": train, "valid": valid}, recipe

    return build


def test_every_token_of_every_text_is_learnt_but_the_first_of_a_block(build, tokenizer, five_rows):
    builder, examples, recipe = build()
    features = build_whole_text_features(examples, builder, recipe)
    for name, texts in (("train", list(five_rows["text"])), ("valid", list(five_rows["text"][:2]))):
        blocks = [feature["input_ids"] for feature in features[name]]
        assert all(feature["labels"] == block[1:] for feature, block in zip(features[name], blocks, strict=True))
        assert {len(block) for block in blocks[:-1]} == {32}
        stream, texts_read = [token for block in blocks for token in block], [[]]
        for token in stream:
            texts_read.append([]) if token == tokenizer.eos_token_id else texts_read[-1].append(token)
        # shuffled, and none is lost
        assert sorted(texts_read[:-1]) == sorted(encode_texts(tokenizer, texts))
    other = build_whole_text_features(examples, builder, replace(recipe, seed=recipe.seed + 1))
    assert other["train"] != features["train"]
    assert other["valid"] == features["valid"]


# summaries are trained by the same trainer, and killed every day
@pytest.mark.slow
def test_killed_and_resumed_equals_never_killed(build, tokenizer, tmp_path, monkeypatch):
    from transformers import TrainerCallback

    builder, examples, recipe = build(**{"train.num_train_epochs": 2, "lora.lora_dropout": 0.1})
    epoch = -(-len(build_whole_text_features(examples, builder, recipe)["train"]) // 2)

    class Killer(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == epoch + 1:
                raise KeyboardInterrupt

    def run(folder):
        trainer, *_ = tune(build_tiny_model("gptj", len(tokenizer)), builder, examples, recipe, Objective(), folder)
        losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
        return {n: v.detach().clone() for n, v in trainer.model.named_parameters() if v.requires_grad}, losses

    whole, losses = run(tmp_path / "whole")
    assert losses[-1] < losses[0]
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.tuning.build_callbacks", lambda params: [Killer()])
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed")
    assert find_last_checkpoint(tmp_path / "killed").name == f"checkpoint-{epoch}"
    resumed, again = run(tmp_path / "killed")
    assert again == losses
    assert all(value.equal(resumed[name]) for name, value in whole.items())
