"""Batches: padding where it does no harm, labels where the logits are, an order that depends on nothing before."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from builders import build_batch

from pipeline.training.batches import IGNORED, Collator, LengthGroupedSampler
from pipeline.training.objectives import Objective
from pipeline.training.packed_model import packed
from pipeline.training.packing import Packing
from pipeline.training.trainer import SummaryTrainer, select_labelled

FAMILIES = ["gpt2", "gptj", "llama", "t5", "bart"]


def compute_loss(model, batch):
    """The trainer's loss, without a trainer."""
    trainer = SummaryTrainer.__new__(SummaryTrainer)
    trainer.objective, trainer.validated = Objective(), [0.0, 0]
    with packed(model) if "examples" in batch else nullcontext(Packing()) as trainer.packing:
        return trainer.compute_loss(model, batch)


@pytest.mark.parametrize("layout", ["packed", "left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_equals_the_models_own_over_full_sequences(family, layout, tokenizer, five_rows, make_params):
    model, collator, features = build_batch(family, tokenizer, five_rows, make_params(), layout == "right")
    padded = "encoder-decoder" if model.config.is_encoder_decoder else layout
    if layout == "left":
        # of a model that cannot be packed
        collator = replace(collator, layout=padded)
    else:
        assert collator.layout == ("packed" if layout == "packed" else padded)
    with torch.no_grad():
        batch = collator(features)
        ours = compute_loss(model, batch)
        total, count = 0.0, 0
        for feature in features:
            ids, labels = feature["input_ids"], feature["labels"]
            full = labels if model.config.is_encoder_decoder else [IGNORED] * (len(ids) - len(labels)) + labels
            loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([full])).loss
            total, count = total + loss.item() * len(labels), count + len(labels)
    assert ours.item() == pytest.approx(total / count, abs=1e-4)


@pytest.mark.parametrize("layout", ["packed", "left"])
def test_head_runs_at_label_positions_only(layout, tokenizer, five_rows, make_params):
    model, collator, features = build_batch("gptj", tokenizer, five_rows, make_params())
    collator = Collator(collator.pad_token_id, layout)
    counts = [len(feature["labels"]) for feature in features]
    batch = collator(features)
    given = {name: value for name, value in batch.items() if name != "labels"}
    with packed(model) as packing:
        logits = model(**packing.read(given), use_cache=False).logits
    rows, positions = logits.shape[:2]
    # of a packed row up to a multiple of 256, or all that there are
    filled = min(-(-sum(counts) // 256) * 256, batch["input_ids"].shape[1])
    assert (rows, positions) == ((1, filled) if layout == "packed" else (len(counts), max(counts) + 1))
    assert max(counts) + 1 < len(features[0]["input_ids"])
    chosen, labels = select_labelled(logits, batch)
    assert chosen.shape == (filled if layout == "packed" else sum(counts), len(tokenizer))
    assert labels.tolist() == [token for feature in features for token in feature["labels"]]


def test_packed_row_is_filled_up(tokenizer, five_rows, make_params):
    _, collator, features = build_batch("llama", tokenizer, five_rows, make_params())
    batch = collator(features)
    lengths = [len(feature["input_ids"]) for feature in features]
    labels = [len(feature["labels"]) for feature in features]
    assert batch["examples"] == list(zip(lengths, labels, strict=True))
    tokens = [token for feature in features for token in feature["input_ids"]]
    filler = batch["input_ids"].shape[1] - len(tokens)
    # room for the last example as a multiple of 32, in a row that is a multiple of 64
    assert -lengths[-1] % 32 <= filler < 64 + 31
    assert (len(tokens) + filler) % 64 == 0
    assert batch["input_ids"][0].tolist() == tokens + [0] * filler
    assert batch["position_ids"][0].tolist() == [i for length in lengths for i in range(length)] + [0] * filler


def test_kept_positions_are_filled_up_with_others_that_predict_nothing(tokenizer, five_rows, make_params):
    _, collator, features = build_batch("llama", tokenizer, five_rows, make_params())
    batch = collator(features)
    kept, labels = batch["logits_to_keep"].tolist(), batch["labels"][0, 1:].tolist()
    assert len(kept) == min(256, batch["input_ids"].shape[1])
    assert len(set(kept)) == len(kept)
    assert [batch["input_ids"][0, i + 1].item() for i in kept[: len(labels)]] == labels


def test_decoder_is_given_the_label_before_each_position(tokenizer, five_rows, make_params):
    model, collator, features = build_batch("t5", tokenizer, five_rows, make_params())
    batch = collator(features)
    start = model.config.decoder_start_token_id
    assert batch["decoder_input_ids"][0].tolist()[: len(features[0]["labels"])] == [start, *features[0]["labels"][:-1]]


def test_order_depends_on_seed_and_epoch_and_update_alone():
    lengths = [(7 * i) % 50 for i in range(200)]
    sampler = LengthGroupedSampler(lengths, 8, seed=1)
    first = list(sampler)
    assert sorted(first) == list(range(200))
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    again = LengthGroupedSampler(lengths, 8, seed=1)
    again.set_epoch(1)
    torch.manual_seed(5)
    assert list(again) == second
    assert list(LengthGroupedSampler(lengths, 8, seed=2)) != first
    # examples of one update are of like length: far closer together than at random
    spread = [
        max(lengths[i] for i in first[k : k + 8]) - min(lengths[i] for i in first[k : k + 8]) for k in range(0, 200, 8)
    ]
    assert sum(spread) / len(spread) < 15
