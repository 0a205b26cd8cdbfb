"""A teacher, and ROUGE of what a model writes."""

import pytest
import torch
from builders import TINY, build_tiny_model, pad, tune_tiny

from pipeline.errors import InputError
from pipeline.models.base import save_model
from pipeline.models.generation import summarize_greedily
from pipeline.models.pins import pin_teacher
from pipeline.models.prompts import PromptBuilder
from pipeline.models.special_tokens import add_special_tokens
from pipeline.paths import BASE
from pipeline.scoring.rouge.pairs import compute_rouge
from pipeline.training.objectives import build_objective, build_rouge

UNTRUSTED = {"trust_remote_code": False}
SHORT = {"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 24}


def test_rouge_is_that_of_greedy_summaries(tokenizer, five_rows, make_params):
    params = make_params(**{**SHORT, "train.rouge_examples": 3})
    model = build_tiny_model("gptj", len(tokenizer))
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, False)
    prompts = [prompt.input_ids for prompt in builder.build_prompts(list(five_rows["text"]))]
    written = summarize_greedily(model, tokenizer, prompts, 24, 1)
    # the first is right, so the score is neither 0 nor 1; the last two are beyond rouge_examples
    wanted = [[written[0]], ["다른 요약"], ["또 다른 요약"], [written[3]], [written[4]]]
    rouge = build_rouge(builder, five_rows.assign(summaries=wanted), params.train)(model)
    scores = compute_rouge(written[:3], wanted[:3], "mecab").mean(axis=1)
    assert scores[0] == 1
    assert rouge == pytest.approx(scores.mean())
    assert 1 / 3 <= rouge < 1


def test_rouge_is_measured_while_training(tokenizer, five_rows, make_params, tmp_path):
    params = make_params(**{**TINY, "train.metric_for_best_model": "rouge", "train.num_train_epochs": 1})
    trainer, metrics, _ = tune_tiny("t5", tokenizer, five_rows, params, tmp_path)
    prompt = params.prompt.model_copy(update={"max_summary_tokens": 24})
    builder = PromptBuilder(tokenizer, prompt, "head", 128, True)
    assert metrics["valid_rouge"] == round(build_rouge(builder, five_rows, params.train)(trainer.model.eval()), 4)


def test_student_comes_closer_to_its_teacher(tokenizer, five_rows, make_params, tmp_path):
    torch.manual_seed(3)
    taught = build_tiny_model("llama", len(tokenizer))
    # sizes of one family pad their matrices differently
    taught.resize_token_embeddings(len(tokenizer) + 16)
    save_model(taught, tokenizer, tmp_path / "teacher")
    taught = {"train.distill": {"teacher": str(tmp_path / "teacher"), "temperature": 2.0, "alpha": 1.0, **UNTRUSTED}}
    params = make_params(**{**TINY, **taught, "train.num_train_epochs": 25, "train.learning_rate": 1e-2, "lora.r": 8})
    teacher = pin_teacher(params.train.distill, BASE)
    objective = build_objective(params.train, params.model, tokenizer, teacher)
    weights = {name: value.clone() for name, value in objective.teacher.named_parameters()}

    def measure(model, batch):
        given = {name: value for name, value in batch.items() if name not in ("labels", "logits_to_keep")}
        with torch.no_grad():
            both = (m(**given).logits[:, -8:, : len(tokenizer)] for m in (model, objective.teacher))
            ours, theirs = (torch.log_softmax(logits, -1) for logits in both)
        return torch.nn.functional.kl_div(ours, theirs, log_target=True, reduction="batchmean").item()

    trainer = tune_tiny("gptj", tokenizer, five_rows, params, tmp_path / "run", objective)[0]
    # after as many steps: nothing flowed back into it, and nothing moved it
    assert all(value.grad is None for value in objective.teacher.parameters())
    assert all(value.equal(weights[name]) for name, value in objective.teacher.named_parameters())
    batch = pad(trainer.data_collator)(trainer.features)
    before = measure(build_tiny_model("gptj", len(tokenizer)), batch)
    assert measure(trainer.model.eval(), batch) < before / 2


def test_teacher_with_other_tokens_is_refused(tokenizer, make_params, tmp_path):
    from pipeline.models.tokenizer import build_bpe_tokenizer

    other = build_bpe_tokenizer(["다른 글"], 300, 128)
    save_model(build_tiny_model("gpt2", len(other)), other, tmp_path / "teacher")
    params = make_params(
        **{"train.distill": {"teacher": str(tmp_path / "teacher"), "temperature": 1.0, "alpha": 0.5, **UNTRUSTED}}
    )
    with pytest.raises(InputError, match=r"train\.distill\.teacher: .*: its tokenizer is not that of the student"):
        build_objective(params.train, params.model, tokenizer, pin_teacher(params.train.distill, BASE))
    grown = add_special_tokens(other, ["#Person1#"])
    with pytest.raises(
        InputError, match=r"not that of the student; model\.special_tokens: only one of them has '#Person"
    ):
        build_objective(params.train, params.model, grown, pin_teacher(params.train.distill, BASE))
    params = make_params(**{"train.distill": {"teacher": "./nowhere", "temperature": 1.0, "alpha": 0.5, **UNTRUSTED}})
    with pytest.raises(InputError, match=r"train\.distill\.teacher: \./nowhere: no such folder"):
        build_objective(params.train, params.model, tokenizer, pin_teacher(params.train.distill, BASE))
