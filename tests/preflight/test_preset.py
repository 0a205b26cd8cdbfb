"""preset: only the named keys change, everything else stays to the byte."""

import io
from functools import cache

import pytest
from builders import ROOT
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.errors import InputError
from pipeline.params.reading import parse_params
from pipeline.preflight.preset import apply_preset, parse_preset

SHIPPED = (ROOT / "params.yaml").read_text()
PRESETS = {path.stem: parse_preset(path.stem, path.read_text()) for path in sorted((ROOT / "presets").glob("*.yaml"))}
OTHERS = [name for name in PRESETS if name != "scratch"]
# that of the other task, which takes whatever model there is
TASK = "bookathon"
ABOUT = "about:\n  parameters: 1 M\n  purpose: a test\n"


def make_preset(text):
    return parse_preset("mine", ABOUT + text)


@cache
def apply(name):
    """A preset on the shipped file."""
    return apply_preset(SHIPPED, PRESETS[name])


def list_keys(values, path=""):
    """Dotted keys of a preset; decode.grid is one value."""
    keys = set()
    for name, value in values.items():
        whole = f"{path}{name}"
        keys |= list_keys(value, f"{whole}.") if isinstance(value, dict) and whole != "decode.grid" else {whole}
    return keys


def load(text):
    return YAML(typ="safe", pure=True).load(text)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the shipped params and presets; returns a command runner."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    for name, preset in PRESETS.items():
        (tmp_path / f"presets/{name}.yaml").write_text(preset.text)
    (tmp_path / "params.yaml").write_text(SHIPPED)
    return lambda *command: CliRunner().invoke(app, ["preset", *command], catch_exceptions=False)


def test_every_model_that_was_promised_has_a_preset():
    models = {"kogpt2", "kobart", "pko-t5-base", "kogpt-6b", "llama-korean", "ai-connect", "scratch"}
    assert set(PRESETS) == models | {TASK}


@pytest.mark.parametrize("name", PRESETS)
def test_preset_gives_valid_params_with_its_own_values(name):
    text, _ = apply(name)
    params = parse_params(text).model_dump()
    for key in list_keys(PRESETS[name].values):
        found, wanted = params, PRESETS[name].values
        for part in key.split("."):
            found, wanted = found[part], wanted[part]
        assert found == wanted, key


@pytest.mark.parametrize("name", OTHERS)
def test_only_named_lines_change_and_comments_stay(name):
    text, changes = apply(name)
    # the grid is replaced whole; every other changed key is one line for one line
    # decode.grid; explore has one too
    head, tail = SHIPPED.rsplit("  grid:\n", 1)
    new_head, new_tail = text.rsplit("  grid:\n", 1)
    before = [*head.splitlines(), *tail[tail.index("\nrank:") :].splitlines()]
    after = [*new_head.splitlines(), *new_tail[new_tail.index("\nrank:") :].splitlines()]
    changed = {a.split(":")[0].strip() for a, b in zip(before, after, strict=True) if a != b}
    assert changed == {change.key.split(".")[-1] for change in changes} - {"grid"}
    comments = [line for line in SHIPPED.splitlines() if "#" in line]
    assert comments == [line for line in text.splitlines() if line in comments]


@pytest.mark.parametrize("name", OTHERS)
def test_result_is_in_the_style_that_dvc_keeps(name):
    # `dvc exp run -S` rewrites the file with ruamel; what is not in its style would drown the one changed line
    text, _ = apply(name)
    out = io.StringIO()
    YAML().dump(YAML().load(text), out)
    assert out.getvalue() == text


@pytest.mark.parametrize("name", PRESETS)
def test_applying_twice_changes_nothing_more(name):
    text, _ = apply(name)
    assert apply_preset(text, PRESETS[name]) == (text, [])


@pytest.mark.parametrize("name", OTHERS)
def test_scratch_leads_back_to_the_shipped_file(name):
    text, changes = apply(name)
    assert changes
    assert apply_preset(text, PRESETS["scratch"])[0] == SHIPPED


def test_presets_leave_nothing_behind_for_the_next():
    # 8-bit weights of a 6 B model would otherwise stay on for a small one, unseen
    keys = {name: list_keys(PRESETS[name].values) for name in OTHERS}
    assert all(found == keys["kogpt2"] for name, found in keys.items() if name != TASK)
    assert keys["kogpt2"] | keys[TASK] < list_keys(PRESETS["scratch"].values)


@pytest.mark.parametrize("model", ["kogpt2", "kogpt-6b", "llama-korean", "ai-connect"])
def test_task_goes_over_the_preset_of_any_causal_model(model):
    text, _ = apply_preset(apply(model)[0], PRESETS[TASK])
    params = parse_params(text)
    assert (params.task, params.prompt.template, params.model.name) == ("generation", "{text}", PRESETS[model].model)


def test_task_is_refused_over_an_encoder_decoder_and_a_models_template_over_the_task():
    with pytest.raises(InputError, match="task: generation needs a causal model"):
        apply_preset(apply("kobart")[0], PRESETS[TASK])
    with pytest.raises(InputError, match=r"prompt\.template: '\{text\} 요약: ' is for summaries"):
        apply_preset(apply(TASK)[0], PRESETS["kogpt2"])


def test_ai_connect_is_the_recipe_of_the_write_up():
    params = parse_params(apply_preset(SHIPPED, PRESETS["ai-connect"])[0])
    assert (params.lora.r, params.lora.lora_alpha, params.lora.lora_dropout) == (8, 32, 0.1)
    assert params.lora.target_modules == ["q_proj", "v_proj"]
    assert (params.train.optim, params.train.learning_rate) == ("adamw", 2e-4)
    assert (params.train.lr_scheduler_type, params.train.T_0, params.train.T_mult) == ("cosine_warm_restarts", 202, 2)
    assert params.model.precision == "fp16"


def test_a_file_of_the_participants_own_style_keeps_it():
    text = SHIPPED.replace("  r: 16\n", "  r:   16   # was 4\n").replace("train: train.csv", "train: 'a.csv'")
    text = text.replace(
        '  template: "{text}\\n요약: "', "  template: |-\n      긴 글이다. {text}\n      요약:\n\n  # mine"
    )
    text = text.replace("warmup_steps: 50", "warmup_steps: !!int '50'").replace("grid:\n", "grid:   # families\n")
    text = text.replace("  weight_decay: 0.0", f"  weight_decay:   0.0  # {'a long line ' * 20}")
    new, _ = apply_preset(text, make_preset('prompt:\n  template: "{text} 요약:"\nlora:\n  r: 8\n'))
    assert "  r: 8   # was 4\n" in new
    expected = text.replace("  r:   16   # was 4\n", "  r: 8   # was 4\n")
    expected = expected.replace("|-\n      긴 글이다. {text}\n      요약:\n", '"{text} 요약:"\n')
    assert new == expected


def test_mapping_is_replaced_whole_and_section_key_by_key():
    text, _ = apply_preset(
        SHIPPED, make_preset("decode:\n  grid:\n    one:\n      num_beams: 2\ntrain:\n  distill:\n    alpha: 0.1\n")
    )
    assert load(text)["decode"]["grid"] == {"one": {"num_beams": 2}}
    assert load(text)["train"]["distill"] == {
        **{"teacher": None, "temperature": 2.0, "alpha": 0.1},
        "trust_remote_code": False,
    }
    assert "\nscore:\n" in text


def test_grid_is_indented_as_the_file_is():
    start, end = SHIPPED.rindex("  grid:\n"), SHIPPED.index("\nrank:")
    flow = f"{SHIPPED[:start]}  grid: {{greedy: {{num_beams: 1}}}}\n{SHIPPED[end:]}"
    text, _ = apply_preset(flow, make_preset("decode:\n    grid:\n        a:\n            num_beams: [2]\n"))
    assert load(text)["decode"]["grid"] == {"a": {"num_beams": [2]}}
    assert text.split("\nrank:")[1] == SHIPPED.split("\nrank:")[1]


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("lora:\n  rr: 8\n", "preset mine: lora.rr: not a key of params.yaml"),
        ("lora:\n  r: 0\n", "preset mine on params.yaml: lora.r: input should be greater than 0"),
        ("decode:\n  max_new_tokens: 99\n", "preset mine on params.yaml: decode.max_new_tokens: 99 is more than"),
    ],
)
def test_preset_that_would_break_params_is_refused(preset, message):
    with pytest.raises(InputError) as refusal:
        apply_preset(SHIPPED, make_preset(preset))
    assert str(refusal.value).startswith(message)


def test_yaml_that_a_splice_would_corrupt_is_refused():
    text = SHIPPED.replace("seed: 42", "seed: &s 42").replace("  resamples: 2000", "  resamples: *s")
    with pytest.raises(InputError, match="preset mine"):
        apply_preset(text.replace("seed: &s 42", "seed: &s 142"), make_preset("score:\n  resamples: 500\n"))


@pytest.mark.parametrize(
    "text", ["", "- 1", "lora:\n  r: 1\n", "about: {}\n", "about:\n  purpose: x\n", "a: [", "r: 8"]
)
def test_what_is_no_preset_is_refused(text):
    with pytest.raises(InputError, match=r"^preset mine: "):
        parse_preset("mine", text)


def test_apply_writes_the_file_and_says_what_changed(project, tmp_path):
    result = project("apply", "kogpt-6b")
    assert result.exit_code == 0
    assert 'model.quantization: null -> "8bit"' in result.output
    assert "train.learning_rate: 0.002 -> 0.0002" in result.output
    assert (tmp_path / "params.yaml").read_text() == apply_preset(SHIPPED, PRESETS["kogpt-6b"])[0]


def test_list_names_every_preset_with_its_model(project):
    output = project("list").output
    for name, preset in PRESETS.items():
        assert any(line.split()[:2] == [name, preset.model] for line in output.splitlines())


def test_show_prints_the_file(project):
    assert project("show", "kobart").output == PRESETS["kobart"].text


def test_unknown_preset_is_refused_with_the_list(project, tmp_path):
    result = project("apply", "kogpt3")
    assert result.exit_code == 2
    assert "no preset 'kogpt3' (did you mean kogpt2?); presets: ai-connect, bookathon, kobart" in result.output
    assert len(result.output.splitlines()) == 1
    assert (tmp_path / "params.yaml").read_text() == SHIPPED


@pytest.mark.parametrize("name", ["kogpt2", "scratch"])
def test_broken_params_are_refused_by_key_and_left_alone(project, tmp_path, name):
    broken = SHIPPED.replace("  r: 16", "  rr: 16")
    (tmp_path / "params.yaml").write_text(broken)
    result = project("apply", name)
    assert result.exit_code == 2
    assert "params.yaml: lora.rr: not a known key" in result.output
    assert (tmp_path / "params.yaml").read_text() == broken
