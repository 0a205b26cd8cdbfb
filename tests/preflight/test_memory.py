"""memory: the estimate follows what really is allocated, and the advice is what makes a run fit."""

import gc
import json
import subprocess
import sys
from contextlib import ExitStack, nullcontext

import pytest
import torch
from builders import ROOT, build_tiny_model
from peft import LoraConfig, PromptTuningConfig, get_peft_model

from pipeline.models.likelihoods import BRANCHES, ENCODED_ONCE, compute_log_probabilities
from pipeline.preflight.dry_run import measure_document, measure_prefill, measure_step
from pipeline.preflight.memory import Lengths, build_lengths, estimate_peak_memory
from pipeline.preflight.remedies import describe_memory
from pipeline.training import micro_batches
from pipeline.training.cross_entropy import sum_cross_entropy
from pipeline.training.fused import fused
from pipeline.training.packed_model import packed
from pipeline.training.packing import Packing, build_row

VOCABULARY = 400
LENGTHS = Lengths(prompt=60, summary=20, example=70)


def build(family, device="meta"):
    """A tiny model with LoRA on every linear layer."""
    with torch.device(device):
        model = build_tiny_model(family, VOCABULARY)
        kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
        return get_peft_model(model, LoraConfig(task_type=kind, r=8, target_modules="all-linear"))


def measure_allocations(model, shape, precision, checkpointing):
    """The oracle: most bytes allocated at once in a real step, as torch's profiler saw them come and go."""
    from torch.profiler import ProfilerActivity, profile

    examples, tokens, labelled = shape
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if model.config.is_encoder_decoder:
        ids, labels = torch.randint(5, 90, (examples, tokens)), torch.randint(5, 90, (examples, labelled))
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "decoder_input_ids": labels}
        reading = nullcontext(Packing())
    else:
        rows = torch.randint(5, 90, (examples, tokens)).tolist()
        batch = build_row(rows, [labelled] * examples)
        labels = torch.randint(5, 90, (examples * labelled,))
        reading = packed(model)
    with reading as packing, fused(model), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        sum_cross_entropy(
            model(**packing.read(batch), use_cache=False).logits.flatten(0, 1), labels.flatten()
        ).backward()
    return count_peak(profiler)


def count_peak(profiler):
    """Most bytes that were allocated at once."""
    alive = peak = 0
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


@pytest.mark.parametrize(
    ("family", "precision", "checkpointing"),
    [("gpt2", "fp32", True), ("llama", "fp32", False), ("t5", "bf16", False)],
)
def test_dry_run_counts_what_a_real_step_allocates(family, precision, checkpointing):
    shape = (4, 100, 16)
    model = build(family, "cpu")
    for parameter in model.parameters():
        if not parameter.requires_grad and precision == "bf16":
            parameter.data = parameter.data.bfloat16()
    real = measure_allocations(model, shape, precision, checkpointing)
    assert 0.95 < real / measure_step(build(family), shape, precision, checkpointing) < 1.05


@pytest.mark.parametrize("family", ["gpt2", "bart"])
def test_dry_run_of_a_document_counts_what_a_real_step_allocates(family):
    from torch.profiler import ProfilerActivity, profile

    model, prompt, count, tokens = build(family, "cpu").train(), 60, 5, 12
    way = ENCODED_ONCE if model.config.is_encoder_decoder else BRANCHES
    with (
        fused(model),
        ExitStack() as held,
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler,
    ):
        compute_log_probabilities(model, [5] * prompt, [[7] * tokens] * count, way, held).sum().backward()
    assert 0.9 < count_peak(profiler) / measure_document(build(family), (prompt, count, tokens), "fp32", False) < 1.1


def test_dry_run_of_a_document_reads_its_prompt_once_but_behind_a_soft_prompt():
    few, many = (measure_document(build("llama"), (100, count, 8), "fp32", False) for count in (2, 4))
    assert few < many < 1.5 * few
    soft = get_peft_model(
        build_tiny_model("llama", VOCABULARY).to("meta"),
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    )
    assert measure_document(soft, (100, 4, 8), "fp32", False) > 2 * many


@pytest.mark.parametrize("family", ["gptj", pytest.param("bart", marks=pytest.mark.slow)])
def test_dry_run_grows_with_examples_and_tokens_and_shrinks_with_checkpointing(family):
    model = build(family)
    few, many, long = (measure_step(model, shape, "bf16", False) for shape in ((2, 40, 8), (4, 40, 8), (2, 80, 8)))
    assert few < many
    assert few < long
    assert measure_step(model, (2, 80, 8), "bf16", True) < long


def test_dry_run_grows_with_layers_and_precision():
    two = measure_step(build("gpt2"), (2, 40, 8), "bf16", False)
    one_layer = build("gpt2")
    one_layer.base_model.model.transformer.h = one_layer.base_model.model.transformer.h[:1]
    one = measure_step(one_layer, (2, 40, 8), "bf16", False)
    assert one < two < 2 * one
    assert two < measure_step(build("gpt2"), (2, 40, 8), "fp32", False)


def test_dry_run_leaves_the_model_and_memory_alone():
    model = build("gpt2").eval()
    measure_step(model, (2, 20, 4), "bf16", True)
    gc.collect()
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert not model.training
    assert not model.is_gradient_checkpointing


def test_prompt_tuning_is_counted_with_its_head_over_everything():
    # peft puts the vectors in front, so the head cannot be told to look at the last positions alone
    with torch.device("meta"):
        model = build_tiny_model("gpt2", VOCABULARY)
        tuned = get_peft_model(model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    logits = 4 * (100 + 4) * VOCABULARY * 4
    assert measure_step(tuned, (4, 100, 4), "fp32", False) > 2 * logits


def test_cache_has_a_key_and_a_value_for_each_layer_head_and_token():
    rows, tokens, bytes_each = 3, 50, 2
    config = build("llama").config
    head = config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * head * bytes_each * rows
    _, cache, grown = measure_prefill(build("llama"), rows, tokens, "bf16")
    assert (cache, grown) == (tokens * token, token)
    config = build("t5").config
    token = 2 * config.num_layers * config.num_heads * config.d_kv * bytes_each * rows
    _, cache, grown = measure_prefill(build("t5"), rows, tokens, "bf16")
    assert (cache, grown) == ((tokens + 1) * token, token)


def test_parts_are_those_of_mixed_precision_training(make_params):
    model = build("gpt2")
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    train = estimate_peak_memory(model, make_params(), LENGTHS, "bf16", "cpu").train
    assert (train.weights, train.gradients, train.optimizer) == (
        4 * trainable + 2 * frozen,
        4 * trainable,
        8 * trainable,
    )
    # the loss holds the logits of 8 examples at 20 label positions and their gradient, in bf16
    assert train.logits == 8 * 20 * VOCABULARY * (2 + 2)
    parts = train.weights + train.gradients + train.optimizer + train.activations + train.logits
    assert train.total == parts + train.overhead


def test_quantized_weights_are_a_quarter_of_fp32_where_they_are_linear(make_params):
    model = build("llama")
    sizes = {
        kind: estimate_peak_memory(model, make_params(**{"model.quantization": kind}), LENGTHS, "bf16", "cuda").train
        for kind in (None, "8bit", "4bit")
    }
    assert sizes["4bit"].weights < sizes["8bit"].weights < sizes[None].weights
    config = model.config
    square = config.hidden_size * config.hidden_size
    linear = config.num_hidden_layers * (3 * square + 3 * config.hidden_size * config.intermediate_size)
    assert sizes[None].weights - sizes["8bit"].weights == linear


def test_nothing_is_trained_for_zero_shot(make_params):
    model = build("gpt2").requires_grad_(False)
    assert estimate_peak_memory(model, make_params(), LENGTHS, "bf16", "cpu").train is None


def test_refining_is_counted_where_it_is_asked_for_and_advised_on(advise, monkeypatch):
    read = []
    monkeypatch.setattr(
        "pipeline.preflight.memory.measure_document",
        lambda model, shape, _, again: read.append(shape) or 10**9 // (4 if again else 1),
    )
    small = {"train.per_device_train_batch_size": 1}
    assert "refine" not in advise(9.0, **small)[0]
    for method in ("best", "dpo", "brio", "mrt"):
        (line,) = advise(9.0, **small, **{"refine.method": method})
        assert "; refine about 954 MiB (" in line
    # a reference and 16 candidates
    assert read == [(60, count, 64) for count in (1, 3, 17, 17)]
    advice = advise(0.5, **small, **{"refine.method": "brio"})[1]
    assert advice.startswith("memory: refine will not fit; set train.gradient_checkpointing: true (then")


def test_wider_beams_need_a_larger_cache(make_params):
    caches = [
        estimate_peak_memory(
            build("gpt2"), make_params(**{"decode.grid": {"b": {"num_beams": beams}}}), LENGTHS, "bf16", "cpu"
        ).decode.cache
        for beams in (2, 4)
    ]
    assert caches[1] == 2 * caches[0]


@pytest.fixture
def advise(make_params, monkeypatch):
    """The lines where a step takes 1 MB an example and token, and the machine has so many GB free."""
    monkeypatch.setattr("pipeline.preflight.memory.OVERHEAD", {"cpu": (0, 0), "cuda": (0, 0)})
    monkeypatch.setattr(
        "pipeline.preflight.memory.measure_step",
        lambda model, shape, _, again: shape[0] * shape[1] * 10**6 // (4 if again else 1),
    )
    monkeypatch.setattr(
        "pipeline.preflight.memory.measure_prefill", lambda model, rows, tokens, _: (rows * tokens * 10**6, 0, 0)
    )
    # 64 examples of 60 + 20 tokens: 5.12 GB; 4 rows of 60: 0.24 GB
    usual = {"train.per_device_train_batch_size": 64, "decode.batch_size": 1, "predict.batch_size": 1}

    def advise(free, device="cpu", **changes):
        params = make_params(**{**usual, **changes})
        return describe_memory(build("gpt2"), params, LENGTHS, ("bf16", device, round(free * 10**9)))

    return advise


def test_what_fits_needs_one_line(advise):
    (line,) = advise(5.3)
    assert line.startswith("memory: train about 4.8 GiB (activations 4.8 GiB, logits ")
    assert "; decode about 229 MiB (activations 229 MiB" in line
    assert line.endswith("; 4.9 GiB free on cpu")


@pytest.mark.parametrize(("free", "batch", "steps"), [(5.0, 32, 2), (2.0, 16, 4), (0.4, 4, 16)])
def test_first_remedy_is_a_smaller_batch_with_the_same_examples_an_update(advise, free, batch, steps):
    _, advice = advise(free)
    wanted = f"train.per_device_train_batch_size: {batch} and train.gradient_accumulation_steps: {steps}"
    assert advice.startswith(f"memory: train will not fit; set {wanted} (then about ")


def test_single_examples_are_computed_again_instead(advise):
    lines = advise(0.05, **{"train.per_device_train_batch_size": 1})
    assert lines[1].startswith("memory: train will not fit; set train.gradient_checkpointing: true (then about ")


def test_split_batch_of_a_cpu_is_counted_as_it_is_read(advise, monkeypatch):
    monkeypatch.setattr(micro_batches, "TOKENS", 200)
    monkeypatch.setattr(micro_batches, "MULTIPLICATIONS", 0)
    monkeypatch.setattr(micro_batches, "TOKENS_WHERE_ALL_IS_TUNED", 0)
    # 4 examples of 70 tokens are read together; they are counted as 80
    (line,) = advise(5.3)
    assert line.startswith("memory: train about 305 MiB")
    assert advise(0.25)[1].startswith("memory: train will not fit; set train.per_device_train_batch_size: 2 and train.")
    assert advise(5.3, "cuda")[0].startswith("memory: train about 4.8 GiB")


def test_decoding_is_advised_on_its_own_batches(advise):
    _, advice = advise(5.3, **{"decode.batch_size": 64})
    assert advice.startswith("memory: decode will not fit; set decode.batch_size: 16 and predict.batch_size: 16 (then")


def test_processes_of_a_cpu_share_its_memory(advise):
    # 2 x 2.4 GiB
    _, advice = advise(5.0, **{"train.per_device_train_batch_size": 32, "train.processes": 2})
    assert advice.startswith("memory: train will not fit; set train.per_device_train_batch_size: 16 and")
    _, advice = advise(0.9, **{"train.per_device_train_batch_size": 1, "decode.processes": 4})
    assert advice.startswith("memory: decode will not fit; ")
    assert len(advise(5.3, "cuda", **{"decode.processes": 4, "train.processes": 2})) == 1


def test_nothing_is_advised_where_there_is_nothing_to_set(advise):
    small = {"train.per_device_train_batch_size": 1, "train.gradient_checkpointing": True}
    assert advise(0.0, **small)[1] == "memory: train will not fit; take a smaller model"


def test_what_no_setting_mends_is_said(advise):
    lines = advise(0.001)
    assert "no one setting is enough; first set train.gradient_checkpointing" not in lines[1]
    assert "no one setting is enough; first set train.per_device_train_batch_size: 1 and" in lines[1]
    assert lines[1].endswith("or take a smaller model")
    assert advise(0.001, "cuda")[1].endswith("or spread the weights by model.device_map: auto")


def test_processes_on_a_cpu_share_its_memory(advise):
    assert len(advise(6.0)) == 1
    assert len(advise(6.0, **{"train.processes": 2})) == 2
    assert len(advise(6.0, "cuda", **{"train.processes": 2})) == 1


def test_lengths_are_those_of_the_longest_example(make_params, tokenizer):
    from pipeline.models.prompts import PromptBuilder

    documents = {"train": {"tokens_max": 30, "tokens_median": 25}, "test": {"tokens_max": 50, "tokens_median": 20}}
    metrics = {"truncation": documents, "summary": {"tokens_max": 70, "tokens_median": 6}}

    def measure(context=512, **changes):
        params = make_params(**changes)
        return build_lengths(metrics, PromptBuilder(tokenizer, params.prompt, "head", context, False), params)

    frame = sum(map(len, PromptBuilder(tokenizer, make_params().prompt, "head", 512, False).frame))
    assert measure() == Lengths(50 + frame, 70, 25 + frame + 6)
    assert measure(**{"prompt.max_document_tokens": 40}) == Lengths(40 + frame, 70, 25 + frame + 6)
    assert measure(**{"prompt.max_document_tokens": 10}) == Lengths(10 + frame, 70, 10 + frame + 6)
    assert measure(context=100) == Lengths(30, 70, min(30, 25 + frame) + 6)
    assert measure(**{"prompt.shots": 2}) == Lengths(512 - 70, 70, 512 - 70 + 6)


REAL_STEPS = """
import json, sys
import torch
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel
from pipeline.preflight.dry_run import measure_step
from pipeline.preflight.memory import OVERHEAD
from pipeline.training.cross_entropy import sum_cross_entropy
from pipeline.training.fused import fused
from pipeline.training.packed_model import packed
from pipeline.training.packing import build_row

method, checkpointing = sys.argv[1], sys.argv[2] == "True"
examples, tokens, labelled = shape = (4, 256, 48)

def get_resident(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

def build():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=51200))
    return model if method == "full" else get_peft_model(model, LoraConfig(r=16, target_modules="all-linear"))

with torch.device("meta"):
    planned = build()
peak = measure_step(planned, shape, "fp32", checkpointing)
weights = 4 * sum(p.numel() for p in planned.parameters())
tuned = 4 * sum(p.numel() for p in planned.parameters() if p.requires_grad)
share, fixed = OVERHEAD["cpu"]
estimate = weights + 2 * tuned + peak + share * (2 * tuned + peak) + fixed
before = get_resident("VmRSS")
model = build().train()
if checkpointing:
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
with packed(model) as packing, fused(model):
    for _ in range(3):
        ids = torch.randint(0, 51200, (examples, tokens)).tolist()
        batch = build_row(ids, [labelled] * examples)
        logits = model(**packing.read(batch), use_cache=False).logits[0]
        sum_cross_entropy(logits, torch.randint(0, 51200, (len(logits),))).backward()
        optimizer.step()
        optimizer.zero_grad()
        del logits
print(json.dumps({"real": get_resident("VmHWM") - before, "estimate": estimate}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads peak resident memory from /proc")
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_estimate_is_within_a_third_of_resident_memory(method, checkpointing):
    command = [sys.executable, "-W", "ignore", "-c", REAL_STEPS, method, str(checkpointing)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert 0.67 < found["real"] / found["estimate"] < 1.33, found


def test_shares_of_weights_gradients_and_moments_are_a_processs_own(make_params):
    whole, shared = (
        estimate_peak_memory(
            build("gpt2"), make_params(**{"train.processes": 4, "train.parallel": way}), LENGTHS, "bf16", "cuda"
        ).train
        for way in ("ddp", "fsdp")
    )
    for name in ("weights", "gradients", "optimizer"):
        assert getattr(shared, name) == -(-getattr(whole, name) // 4)
    assert (shared.activations, shared.logits) == (whole.activations, whole.logits)


def test_processes_with_a_gpu_each_are_told_to_share_the_weights_out(advise, monkeypatch):
    monkeypatch.setattr("pipeline.preflight.memory._count_weights", lambda *_: 10**9)
    changes = {"train.per_device_train_batch_size": 1, "train.gradient_checkpointing": True, "train.processes": 2}
    lines = advise(0.6, "cuda", **changes)
    assert any(line.startswith("memory: train will not fit; set train.parallel: fsdp (then about ") for line in lines)
    lines = advise(0.4, "cuda", **changes, **{"train.parallel": "fsdp"})
    assert not any(
        "set train.parallel: fsdp" in line or "train will not fit; set model.quant" in line for line in lines
    )
