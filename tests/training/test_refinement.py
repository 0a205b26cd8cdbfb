"""A tuned model learns from candidates: losses by hand, killed and resumed bit for bit, and the start if that is best."""

from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
import torch
from builders import TINY, build_recipe, build_tiny_model

from pipeline.errors import InputError
from pipeline.models.likelihoods import BRANCHES, ROWS, compute_log_probabilities
from pipeline.models.methods import attach_method
from pipeline.models.prompts import PromptBuilder
from pipeline.tables import EXPLORED
from pipeline.training import refinement as module
from pipeline.training.candidate_features import Document
from pipeline.training.checkpoints import find_last_checkpoint
from pipeline.training.refine_trainer import Refinement, RefineTrainer
from pipeline.training.refinement import build_refinement, build_sizes, describe, keeps_start, refine

SHORT = {"prompt.max_summary_tokens": 12, "decode.max_new_tokens": 12, "lora.lora_dropout": 0.1}
FAST = {**TINY, **SHORT, "refine.per_device_train_batch_size": 2, "refine.learning_rate": 1e-2, "refine.eval_steps": 1}
CALM = {"rouge": 0.3, "length": 20.0, "finished": 1.0}
SUMS = torch.tensor([-6.0, -4.0, -10.0, -3.0])
DOCUMENT = Document([5, 6], [[7, 8, 0]], [[7, 0], [8, 9, 9, 0], [3]], [0.9, 0.5, 0.1])


def build(method, **changes):
    settings = {"gamma": 2.0, "margin": 0.1, "length_penalty": 1.0, "min_gap": 0.01, "sharpness": 1.0, "beta": 0.1}
    return Refinement(method, **{**settings, **changes})


def test_best_is_cross_entropy_of_the_best_candidate_alone():
    assert build("best").list_continuations(DOCUMENT) == [[7, 0]]
    assert build("best").compute_loss(DOCUMENT, SUMS[1:2]).item() == 2.0


def test_brio_ranks_beside_the_reference():
    assert build("brio").list_continuations(DOCUMENT) == [*DOCUMENT.references, *DOCUMENT.candidates]
    # f is -2, -2.5, -3; no pair lies closer than it should
    assert build("brio").compute_loss(DOCUMENT, SUMS).item() == pytest.approx(2.0)
    # -2.5 + 2 + 0.6, -3 + 2 + 1.2, -3 + 2.5 + 0.6
    assert build("brio", margin=0.6).compute_loss(DOCUMENT, SUMS).item() == pytest.approx(2 + 2 * 0.4 / 3)
    assert build("brio", min_gap=1.0, margin=9.0).compute_loss(DOCUMENT, SUMS).item() == 2.0


def test_mrt_adds_the_expected_loss():
    weights = SUMS[1:].double().softmax(0)
    risk = float((weights * torch.tensor([0.1, 0.5, 0.9])).sum())
    assert build("mrt").compute_loss(DOCUMENT, SUMS).item() == pytest.approx(2 + 2 * risk)


def test_dpo_reads_best_and_worst_and_neither_where_they_are_equal():
    told = Document(DOCUMENT.prompt, DOCUMENT.references, DOCUMENT.candidates, DOCUMENT.scores, [-5.0, -3.0])
    assert build("dpo").list_continuations(told) == [[7, 8, 0], [7, 0], [3]]
    loss = build("dpo").compute_loss(told, SUMS[[0, 1, 3]])
    assert loss.item() == pytest.approx(2 + 2 * -torch.nn.functional.logsigmoid(torch.tensor(0.1)).item())
    equal = Document(told.prompt, told.references, told.candidates, [0.5, 0.5, 0.5])
    assert build("dpo").list_continuations(equal) == [[7, 8, 0]]
    assert build("dpo").compute_loss(equal, SUMS[:1]).item() == 2.0


def test_margin_follows_the_table_and_rates_the_section_train(make_params):
    explored = pd.DataFrame(
        {"id": ["a", "a", "b"], "token_ids": [[1, 2], [1, 2, 3, 4], [1]], "log_probability": [-4.0, -4.0, -9.0]}
    )
    params = make_params(**{"refine.method": "brio", "train.learning_rate": 2e-3})
    assert build_refinement(params.refine, explored).margin == pytest.approx(1.0)
    assert build_refinement(make_params(**{"refine.margin": 0.5}).refine, explored).margin == 0.5
    sizes = build_sizes(params.train, params.refine, 170)
    assert (sizes.per_device_train_batch_size, sizes.gradient_accumulation_steps) == (1, 8)
    # 22 updates
    assert (sizes.learning_rate, sizes.warmup_steps, sizes.eval_steps) == (2e-4, 2, 6)


@pytest.fixture
def go_on(tokenizer, five_rows, make_params, tmp_path, monkeypatch):
    """Refines a tiny model by three candidates of each of five rows; what it writes is what `validations` say."""

    def go_on(family="gptj", folder="run", validations=(), **changes):
        params = make_params(**{**FAST, "refine.method": "brio", **changes})
        model = build_tiny_model(family, len(tokenizer))
        builder = PromptBuilder(tokenizer, params.prompt, "head", 128, model.config.is_encoder_decoder)
        adapted = attach_method(model, params.train.method, params.lora, params.prompt_tuning, tokenizer, 0)
        labels = builder.build_labels([many[0] for many in five_rows["summaries"]])
        rows = [
            (name, rank, "", tokens[:length], -30.0 / length, True, 1 / length)
            for name, tokens in zip(five_rows["id"], labels, strict=True)
            for rank, length in enumerate((3, 9, 6))
        ]
        examples = {"train": five_rows, "valid": five_rows, "explored": pd.DataFrame(rows, columns=list(EXPLORED))}
        left = iter(validations)
        monkeypatch.setattr(module, "build_writing", lambda *args: lambda model: {**CALM, **next(left, {})})
        return refine(adapted, builder, examples, build_recipe(params), params.refine, tmp_path / folder)

    return go_on


def get_trained(trainer):
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(
    ("family", "method", "changes"),
    [
        pytest.param("gptj", "best", {}, marks=pytest.mark.slow),
        ("gpt2", "mrt", {"train.gradient_checkpointing": True}),
        ("llama", "dpo", {"train.method": "full"}),
        ("t5", "brio", {}),
        # methods and families meet in other rows
        pytest.param("bart", "dpo", {}, marks=pytest.mark.slow),
    ],
)
def test_every_method_trains_every_kind_of_model(family, method, changes, go_on):
    changes = {"refine.method": method, "refine.eval_steps": 3, **changes}
    details, history = describe(go_on(family, validations=[{}, {"rouge": 0.4}], **changes))
    assert (details["steps"], details["kept_step"]) == (3, 3)
    assert (details["valid_rouge_before"], details["valid_rouge"], details["candidates"]) == (30.0, 40.0, 15)
    assert history.columns.tolist() == ["step", "loss", "valid_rouge"]
    assert history["step"].tolist() == [0, 1, 2, 3]
    assert history["loss"][1:].notna().all()


def test_dpo_stays_near_to_what_train_left(go_on, tokenizer):
    trainer = go_on(**{"refine.method": "dpo", "refine.eval_steps": 3})
    document = trainer.features[0]["document"]
    ends = [document.candidates[0], document.candidates[-1]]
    values = compute_log_probabilities(build_tiny_model("gptj", len(tokenizer)), document.prompt, ends, ROWS)
    expected = [part.sum().item() for part in values.split(list(map(len, ends)))]
    assert document.before == pytest.approx(expected, abs=1e-3)


def test_what_scores_better_becomes_likelier(go_on, tokenizer):
    changes = {"refine.num_train_epochs": 8, "refine.eval_steps": 24, "refine.gamma": 10.0, "lora.lora_dropout": 0.0}
    trainer = go_on(validations=[{}, {"rouge": 0.4}], **changes, **{"refine.learning_rate": 1e-3})
    untrained = build_tiny_model("gptj", len(tokenizer))

    def lead(model):
        document = trainer.features[0]["document"]
        values = compute_log_probabilities(model.eval(), document.prompt, document.candidates, ROWS)
        best, *_, worst = (part.mean().item() for part in values.split(list(map(len, document.candidates))))
        return best - worst

    assert trainer.features[0]["document"].scores[0] == 1 / 3
    assert lead(trainer.model) > lead(untrained) + 0.1


def test_gradients_with_checkpointing_are_those_without(tokenizer):
    model, found = build_tiny_model("gptj", len(tokenizer)).train(), []
    for again in (False, True):
        if again:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.zero_grad()
        with ExitStack() as held:
            values = compute_log_probabilities(model, [5, 6, 7], [[8, 9, 0], [8, 4], [3]], BRANCHES, held)
            values.sum().backward()
        found.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*found, strict=True))


def test_killed_and_resumed_equals_never_killed(go_on, monkeypatch):
    changes = {"refine.num_train_epochs": 2, "refine.eval_steps": 4}
    better = [{}, {"rouge": 0.4}, {"rouge": 0.5}]
    whole = go_on(folder="whole", validations=better, **changes)
    step = RefineTrainer.training_step

    def kill(self, *args, **kwargs):
        if self.state.global_step == 5:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(RefineTrainer, "training_step", kill)
        with pytest.raises(KeyboardInterrupt):
            go_on(folder="killed", validations=better, **changes)
    last = find_last_checkpoint(Path(whole.args.output_dir).parent / "killed")
    assert last is not None
    assert last.name == "checkpoint-4"
    resumed = go_on(folder="killed", validations=[{}, better[2]], **changes)
    # the last is validated though 4 does not divide it
    assert [whole.state.best_global_step, resumed.state.best_global_step] == [6, 6]
    assert describe(whole)[0] == describe(resumed)[0]
    own = get_trained(resumed)
    assert all(value.equal(own[name]) for name, value in get_trained(whole).items())


def test_best_state_is_kept_and_it_may_be_the_start(go_on, capsys):
    scores = [{"rouge": 0.3}, {"rouge": 0.4}, {"rouge": 0.5}, {"rouge": 0.2}]
    trainer = go_on(validations=scores)
    assert trainer.state.best_global_step == 2
    assert not keeps_start(trainer)
    trainer = go_on(folder="worse", validations=[{"rouge": 0.5}, {"rouge": 0.4}, {"rouge": 0.5}, {"rouge": 0.1}])
    assert keeps_start(trainer)
    details, _ = describe(trainer)
    assert (details["kept_step"], details["valid_rouge"]) == (0, 50.0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("is_killed", [False, True])
def test_drift_ends_the_run_and_is_never_the_best(is_killed, go_on, capsys, monkeypatch):
    drifting = [{}, {"rouge": 0.4}, {"rouge": 0.9, "length": 30.0}]
    if is_killed:
        with monkeypatch.context() as patch:
            # behind the checkpoint of the state that drifted
            patch.setattr(RefineTrainer, "_finalize_training", lambda *args, **kwargs: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                go_on(validations=drifting, **{"refine.num_train_epochs": 3})
        drifting = [{}]
    trainer = go_on(validations=drifting, **{"refine.num_train_epochs": 3})
    assert (trainer.state.global_step, trainer.state.best_global_step) == (2, 1)
    said = "refine: ends after update 2: summaries went from 20.0 to 30.0 tokens; the best state before it is kept\n"
    assert capsys.readouterr().out == said


def test_memory_that_runs_out_and_a_loss_that_is_no_number_are_said(go_on, monkeypatch):
    def run_out(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.training.refine_trainer.compute_log_probabilities", run_out)
        with pytest.raises(InputError, match=r"refine: out of memory with one document and its candidates; turn on"):
            go_on(folder="large")
    compute = Refinement.compute_loss
    monkeypatch.setattr(Refinement, "compute_loss", lambda *args: compute(*args) * float("nan"))
    with pytest.raises(InputError, match=r"refine: the loss is not a number any more; lower refine\.learning_rate"):
        go_on(folder="wild")
