"""Two BERT-type models as one encoder-decoder."""

import pytest
import torch
from builders import build_recipe, build_tiny_model  # noqa: F401  (sets the environment)

from pipeline.errors import InputError
from pipeline.models.base import load_base, save_model
from pipeline.models.loading import load_model, load_prompt_builder
from pipeline.models.pair import build_empty_pair, build_pair, get_pair_lengths, load_pair_tokenizer
from pipeline.training.batches import build_collator
from pipeline.training.objectives import Objective

TINY = {"model.name": "pair", "model.precision": "fp32", "train.num_train_epochs": 2, "train.warmup_steps": 0, "lora.r": 4, "lora.target_modules": "auto"}  # fmt: skip


def build_bert_tokenizer(texts):
    """A WordPiece tokenizer with BERT's special tokens and no end-of-text of its own."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    pieces = BertWordPieceTokenizer(lowercase=False, strip_accents=False, clean_text=True)
    pieces.train_from_iterator(texts, vocab_size=400, min_frequency=1, show_progress=False)
    return BertTokenizerFast(tokenizer_object=pieces._tokenizer, model_max_length=64)


@pytest.fixture
def parts(tmp_path, five_rows):
    """Folders of a tiny BERT and a tiny ELECTRA with one tokenizer."""
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        ElectraConfig,
        ElectraForMaskedLM,
        RobertaConfig,
        RobertaForMaskedLM,
    )

    probe = "헌법재판소는 12월 3일, 청구인의 심판청구를 각하하였다."
    tokenizer = build_bert_tokenizer(
        [*five_rows["text"], *(s for many in five_rows["summaries"] for s in many), probe, *probe]
    )
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "max_position_embeddings": 64}
    # its positions begin behind the padding's token id
    counted = {**sizes, "max_position_embeddings": 65 + tokenizer.pad_token_id, "pad_token_id": tokenizer.pad_token_id}
    for name, model in (
        ("roberta", RobertaForMaskedLM(RobertaConfig(**counted))),
        ("bert", BertForMaskedLM(BertConfig(**sizes))),
        ("electra", ElectraForMaskedLM(ElectraConfig(**sizes, embedding_size=32))),
    ):
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("decoder", ["bert", "electra"])
def test_pair_is_built_tuned_and_decodes(decoder, parts, five_rows, make_params, tmp_path):
    from pipeline.decoding.decoder import Decoder
    from pipeline.decoding.grid import decode_grid
    from pipeline.params.grid import Configuration
    from pipeline.training.tuning import tune

    params = make_params(**TINY, **{"model.encoder": str(parts / "bert"), "model.decoder": str(parts / decoder), "prompt.max_summary_tokens": 40, "decode.max_new_tokens": 8})  # fmt: skip
    tokenizer = load_pair_tokenizer(params.model)
    assert get_pair_lengths(params.model) == (64, 64)
    pair = build_pair(params.model, tokenizer, 1)
    shapes = {name: value.shape for name, value in pair.state_dict().items()}
    assert {name: value.shape for name, value in build_empty_pair(params.model).state_dict().items()} == shapes
    save_model(pair, tokenizer, tmp_path / "base")
    base = load_base(tmp_path / "base")
    builder = load_prompt_builder(base, params.model, params.prompt, "head")
    assert (builder.is_encoder_decoder, builder.context_length, builder.target_length) == (True, 64, 64)
    model, _ = load_model(base, params.model, device="cpu")
    assert build_collator(model, tokenizer.pad_token_id, False).decoder_start_token_id == tokenizer.cls_token_id
    examples = {"train": five_rows, "valid": five_rows}
    trainer, _, _ = tune(model, builder, examples, build_recipe(params), Objective(), tmp_path / "run")
    trained = [name for name, value in trainer.model.named_parameters() if value.requires_grad]
    # the new cross-attention is tuned whole, the rest through LoRA
    assert any("crossattention.modules_to_save" in name for name in trained)
    assert all("lora_" in name or "crossattention.modules_to_save" in name for name in trained)
    save_model(trainer.model, tokenizer, tmp_path / "adapter")
    loaded, _ = load_model(base, params.model, tmp_path / "adapter", device="cpu")
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(five_rows["text"]))]
    greedy = [Configuration("greedy", {"max_new_tokens": 8})]
    candidates, _ = decode_grid(Decoder(loaded, tokenizer, 5, 0), list(five_rows["id"]), prompts, greedy)
    assert len(candidates) == 5


def test_pair_of_robertas_reads_what_fits_and_is_tuned_in_full_precision(parts, five_rows, make_params, tmp_path):
    from pipeline.training.tuning import tune

    both = {"model.encoder": str(parts / "roberta"), "model.decoder": str(parts / "roberta")}
    short = {"prompt.max_summary_tokens": 60, "decode.max_new_tokens": 8, "model.precision": "bf16"}
    params = make_params(**{**TINY, **both, **short})
    tokenizer = load_pair_tokenizer(params.model)
    assert get_pair_lengths(params.model) == (64, 64)
    save_model(build_pair(params.model, tokenizer, 1), tokenizer, tmp_path / "base")
    base = load_base(tmp_path / "base")
    builder = load_prompt_builder(base, params.model, params.prompt, "head")
    assert (builder.context_length, builder.target_length) == (64, 64)
    rows = five_rows.assign(text=[text * 20 for text in five_rows["text"]])
    model, _ = load_model(base, params.model, device="cpu")
    trainer, _, _ = tune(
        model, builder, {"train": rows, "valid": rows}, build_recipe(params), Objective(), tmp_path / "run"
    )
    assert {weights.dtype for weights in trainer.model.parameters()} == {torch.float32, torch.bfloat16}
    tuned = {name: weights for name, weights in trainer.model.named_parameters() if weights.requires_grad}
    assert any("crossattention" in name for name in tuned)
    assert {weights.dtype for weights in tuned.values()} == {torch.float32}
    save_model(trainer.model, tokenizer, tmp_path / "adapter")
    again, _ = load_model(base, params.model, tmp_path / "adapter", device="cpu", is_trainable=True)
    for name, weights in again.named_parameters():
        assert not weights.requires_grad or weights.equal(tuned[name])


def test_parts_with_different_tokenizers_are_refused(parts, five_rows, make_params):
    build_bert_tokenizer(["헌법재판소는 12월 3일, 청구인의 심판청구를 각하하였다."]).save_pretrained(parts / "electra")
    params = make_params(**TINY, **{"model.encoder": str(parts / "bert"), "model.decoder": str(parts / "electra")})
    with pytest.raises(InputError, match=r"model\.decoder: .*electra: its tokenizer differs from that of"):
        load_pair_tokenizer(params.model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.name": "pair", "model.encoder": "a"}, "model.decoder: is needed with model.name: pair"),
        ({"model.encoder": "a"}, "model.encoder: has no effect without model.name: pair"),
        (
            {"model.name": "pair", "model.encoder": "a", "model.decoder": "b", "train.method": "none"},
            "train.method: none leaves a pair's new cross-attention untrained",
        ),
    ],
)
def test_half_a_pair_is_refused(changes, message, make_params):
    with pytest.raises(InputError) as refusal:
        make_params(**changes)
    assert message in str(refusal.value)


def test_base_made_of_a_part_that_changed_since_is_refused(parts, make_params, five_rows, tmp_path):
    from pipeline.models.base import save_pins
    from pipeline.stages.pretrain import pin_parts, pretrain

    params = make_params(**TINY, **{"model.encoder": str(parts / "bert"), "model.decoder": str(parts / "electra")})
    made = pretrain(five_rows, params, pin_parts(params.model), tmp_path / "run")
    base = tmp_path / "made"
    save_model(made.model, made.tokenizer, base)
    before = load_base(base)
    save_pins(made.parts, base)
    assert load_base(base) == before
    path = parts / "electra/config.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError) as refusal:
        load_base(base)
    (line,) = refusal.value.mistakes
    assert "electra: changed since the pretrain stage looked at it; run `dvc repro --force preprocess pretrain`" in line
