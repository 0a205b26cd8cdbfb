"""params.yaml: every mistake at once, by key."""

import io
import subprocess
import sys
from difflib import ndiff

import pytest
from builders import ROOT, dump_params
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.params.reading import Params, parse_params
from pipeline.params.section import Section


def test_shipped_params_are_valid():
    assert parse_params((ROOT / "params.yaml").read_text()).lora.r == 16


def test_a_moved_row_would_be_in_no_fold(make_params):
    moving = {"preprocess.clean.near_copies_to_train": True}
    assert make_params(**moving).preprocess.clean.near_copies_to_train
    with pytest.raises(InputError, match=r"preprocess\.clean\.near_copies_to_train: a row that leaves its fold"):
        make_params(**moving, **{"preprocess.folds": 3})
    with pytest.raises(InputError, match=r"preprocess\.clean\.htm: not a known key \(did you mean html\?\)"):
        make_params(**{"preprocess.clean.htm": True})


def test_shipped_params_survive_ruamel_byte_for_byte():
    # `dvc exp run -S` rewrites the file with ruamel: what is not in its style would drown the one changed line
    text = (ROOT / "params.yaml").read_text()
    yaml = YAML()
    out = io.StringIO()
    yaml.dump(yaml.load(text), out)
    assert out.getvalue() == text


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lora.rr", 8, "lora.rr: not a known key (did you mean r?)"),
        ("sed", 1, "sed: not a known key (did you mean seed?)"),
        ("train.learnig_rate", 1.0, "did you mean learning_rate?"),
        ("lora.r", "eight", "lora.r: input should be a valid integer, not 'eight'"),
        ("lora.r", 0, "lora.r: input should be greater than 0, not 0"),
        ("lora.r", True, "lora.r: input should be a valid integer, not True"),
        ("lora.lora_dropout", 1.0, "lora.lora_dropout: input should be less than 1, not 1.0"),
        ("prompt.template", "요약", "prompt.template: must contain {text} exactly once, not '요약'"),
        ("prompt.template", "요약\0{text}", "prompt.template: must hold neither NUL nor half a character"),
        ("prompt.template", "요약\ud800{text}", "prompt.template: must hold neither NUL nor half a character"),
        (
            "preprocess.truncation",
            "middle",
            "preprocess.truncation: input should be 'auto', 'head', 'tail', 'head_tail' or 'salient'",
        ),
        ("pretrain.n_head", 3, "pretrain.n_embd: 256 is not an even multiple of pretrain.n_head 3"),
        ("pretrain.block_size", 600, "pretrain.block_size: 600 is larger than pretrain.n_positions 512"),
        (
            "model.architecture",
            "encoder-decoder",
            "model.architecture: encoder-decoder, but the scratch model is causal",
        ),
        ("predict.use", "beem", "predict.use: no row 'beem' in the leaderboard; rows: best, greedy/no_repeat"),
        ("pretrain.text", ["extra"], "pretrain.text: extra, but data.extra names no further data set"),
        ("decode.untuned", None, "decode.untuned: input should be a valid boolean"),
        ("seed", 2**32, "seed: input should be less than 4294967296"),
        ("train.seed", 2**32, "train.seed: input should be less than 4294967296"),
        ("train.learning_rate", float("inf"), "train.learning_rate: input should be a finite number"),
        ("data.id_column", "", "data.id_column: string should have at least 1 character"),
        ("data.test", "a\0b", "data.test: must hold no NUL"),
        ("data.train", [], "data.train: must be a file, a folder, a zip, or a list of these, not []"),
        ("data.train", ["train.csv", "../more.csv"], "data.train: ../more.csv lies outside of data.folder data/sample"),
        ("data.sample_submission", "/s.csv", "data.sample_submission: /s.csv lies outside of data.folder data/sample"),
        ("data.layout", "xml", "data.layout: input should be 'auto', 'ai_connect', 'csv', "),
        ("lora.target_modules", [], "lora.target_modules: must be auto, all-linear, or names of modules, not []"),
        ("lora.target_modules", 3, "lora.target_modules: must be auto, all-linear, or names of modules, not 3"),
        ("score.weights", {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}, "score.weights: at least one weight"),
        ("export.name", "../escape", "export.name: string should match pattern"),
        ("export.name", "가" * 81, "export.name: string should have at most 80 characters"),
        ("decode.max_new_tokens", 65, "decode.max_new_tokens: 65 is more than prompt.max_summary_tokens 64 keeps free"),
        ("prompt.max_summary_tokens", 512, "prompt.max_summary_tokens: 512 leaves no room for a document"),
        ("decode.grid", {}, "decode.grid: has no family"),
        ("decode.grid", {4: {"num_beams": [4]}}, "decode.grid.4: a key is text"),
        ("decode.grid", {True: {}, "g": {}}, "decode.grid.True: a key is text"),
        ("decode.grid", {"g": {4: [4]}}, "decode.grid.g.4: a key is text"),
        ("decode.grid", {"g": {"num_beam": [4]}}, "decode.grid.g.num_beam: not a known setting"),
        ("decode.grid", {"g": {"num_beams": [0]}}, "decode.grid.g.num_beams: 0 is not a whole number of at least 1"),
        ("decode.grid", {"g": {"num_beams": True}}, "True is not a whole number"),
        ("decode.grid", {"g": {"num_beams": []}}, "decode.grid.g.num_beams: an axis needs at least one value"),
        ("decode.grid", {"g": {"num_beams": [4, 4]}}, "a value stands twice"),
        ("decode.grid", {"g": {"temperature": 0.7}}, "decode.grid.g.temperature: has no effect without do_sample"),
        ("decode.grid", {"g": {"length_penalty": 0.5}}, "length_penalty: has no effect without num_beams"),
        ("decode.grid", {"g": {"num_return_sequences": 2}}, "num_return_sequences: 2 is more than num_beams 1"),
        ("decode.grid", {"g": {"min_new_tokens": 64}}, "min_new_tokens: must be below decode.max_new_tokens 64"),
        ("decode.grid", {"g": {"num_beam_groups": 2}}, "group beam search needs remote code"),
        ("decode.grid", {"g": {"penalty_alpha": 0.6}}, "contrastive search needs remote code"),
        ("decode.grid", {"g": {"do_sample": True, "top_p": 1.5}}, "1.5 is not a number above 0 and at most 1"),
    ],
)
def test_one_mistake_gives_one_line_with_its_key(shipped, tmp_path, key, value, message):
    with pytest.raises(InputError) as refusal:
        parse_params(dump_params(shipped, {key: value}, tmp_path / "p.yaml"))
    assert len(refusal.value.mistakes) == 1
    assert refusal.value.mistakes[0].startswith("params.yaml: ")
    assert message in refusal.value.mistakes[0]


def test_all_mistakes_are_reported_together(shipped, tmp_path):
    changes = {
        "lora.rr": 1,
        "train.learning_rate": "fast",
        "decode.grid": {"g": {"top_k": 0}},
        "decode.max_new_tokens": 99,
    }
    with pytest.raises(InputError) as refusal:
        parse_params(dump_params(shipped, changes, tmp_path / "p.yaml"))
    text = str(refusal.value)
    assert len(refusal.value.mistakes) == 4
    for key in ("lora.rr", "train.learning_rate", "decode.grid.g.top_k", "decode.max_new_tokens"):
        assert f"params.yaml: {key}:" in text


def test_wrong_field_does_not_hide_a_conflict_in_its_section(shipped, tmp_path):
    changes = {
        "decode.batch_size": 0,
        "decode.grid": {"g": {"top_k": -1}},
        "pretrain.vocab_size": 1,
        "pretrain.n_head": 3,
        "score.weights": {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0},
        "score.resamples": 1,
    }
    with pytest.raises(InputError) as refusal:
        parse_params(dump_params(shipped, changes, tmp_path / "p.yaml"))
    keys = [line.split(": ")[1] for line in refusal.value.mistakes]
    assert sorted(keys) == [
        "decode.batch_size", "decode.grid.g.top_k", "pretrain.n_embd", "pretrain.vocab_size", "score.resamples", "score.weights",
    ]  # fmt: skip


def test_map_reduce_can_be_named_only_where_it_is_decoded(shipped, tmp_path):
    changes = {"predict.use": "rank/ridge", "rank.method": "ridge"}
    assert parse_params(dump_params(shipped, changes, tmp_path / "p.yaml")).predict.use == "rank/ridge"
    with pytest.raises(InputError, match="no row 'rank/lambdamart' in the leaderboard"):
        parse_params(dump_params(shipped, {**changes, "predict.use": "rank/lambdamart"}, tmp_path / "p.yaml"))
    changes = {"predict.use": "map-reduce", "decode.map_reduce": True}
    assert parse_params(dump_params(shipped, changes, tmp_path / "p.yaml")).predict.use == "map-reduce"
    with pytest.raises(InputError, match=r"predict\.use: no row 'map-reduce'"):
        parse_params(dump_params(shipped, {"predict.use": "map-reduce"}, tmp_path / "p.yaml"))


def test_untuned_row_can_be_named_only_where_it_is_decoded(shipped, tmp_path):
    assert parse_params(dump_params(shipped, {"predict.use": "untuned"}, tmp_path / "p.yaml")).predict.use == "untuned"
    with pytest.raises(InputError, match=r"predict\.use: no row 'untuned'"):
        parse_params(dump_params(shipped, {"predict.use": "untuned", "decode.untuned": False}, tmp_path / "p.yaml"))


def test_keys_that_are_no_text_are_named_beside_other_mistakes(shipped, tmp_path):
    values = {**shipped, 7: {}, "lora": {**shipped["lora"], 8: 1, "r": 0}}
    values["decode"] = {**shipped["decode"], "grid": {"4": {"num_beams": 2}, 4: {}, "g": {"num_beams": 0}}}
    with pytest.raises(InputError) as refusal:
        parse_params(dump_params(values, {}, tmp_path / "p.yaml"))
    keys = [line.split(": ")[1] for line in refusal.value.mistakes]
    assert keys == ["lora.8", "decode.grid.4", "7", "lora.r", "decode.grid.g.num_beams"]


def test_family_may_be_a_number_in_quotes(make_params):
    params = make_params(**{"decode.grid": {"4": {"num_beams": 4}}, "predict.use": "4"})
    assert list(params.decode.grid) == ["4"]


@pytest.mark.parametrize(
    ("tokens", "changes", "said"),
    [
        ("Auto", {}, "must be auto or a list of marks, not 'Auto'"),
        ([1], {}, "must be auto or a list of marks, not [1]"),
        (["#a#", "#a#"], {}, "names a mark twice"),
        ([""], {}, "'' is not a mark in NFC without white space around it"),
        (["#a# "], {}, "'#a# ' is not a mark in NFC"),
        (["\u1100\u1161"], {}, "is not a mark in NFC"),
        ("auto", {"train.method": "none"}, "train.method none trains no row for them; use lora or full"),
        (["#a#"], {"train.method": "prompt_tuning"}, "train.method prompt_tuning trains no row for them"),
        ("auto", {"model.name": "pair", "model.encoder": "a", "model.decoder": "b"}, "a pair's two vocabularies are"),
    ],
)
def test_special_tokens_are_auto_or_marks_and_need_trained_rows(tokens, changes, said, make_params):
    with pytest.raises(InputError) as refusal:
        make_params(**{"model.special_tokens": tokens, **changes})
    (line,) = refusal.value.mistakes
    assert line.startswith("params.yaml: model.special_tokens: ")
    assert said in line


def test_special_tokens_are_read_as_they_are_written(make_params):
    for tokens in ([], "auto", ["#Person1#", "축제 이름"]):
        assert make_params(**{"model.special_tokens": tokens}).model.special_tokens == tokens


def test_missing_key_is_named_with_what_it_means(shipped, tmp_path):
    values = {**shipped, "lora": {k: v for k, v in shipped["lora"].items() if k != "r"}}
    with pytest.raises(InputError, match=r"lora\.r: is missing \(Rank of the update matrices\.\)"):
        parse_params(dump_params(values, {}, tmp_path / "p.yaml"))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "seed: [1\n", "seed: 1\nseed: 2\n"])
def test_what_is_no_mapping_is_refused(text):
    with pytest.raises(InputError, match=r"^params\.yaml: is "):
        parse_params(text)


def test_scientific_notation_without_a_point_is_a_number(shipped, tmp_path):
    text = dump_params(shipped, {}, tmp_path / "p.yaml").replace("weight_decay: 0.0", "weight_decay: 1e-2")
    assert parse_params(text).train.weight_decay == 0.01


def test_every_field_is_described():
    def walk(section):
        for name, field in section.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                walk(field.annotation)
            else:
                assert field.description, f"{section.__name__}.{name}"
                assert field.is_required(), f"{section.__name__}.{name} has a default that DVC cannot see"

    walk(Params)


def test_undeclared_section_cannot_be_read(make_params):
    selected = make_params().select("seed", "lora")
    assert selected.lora.r == 16
    with pytest.raises(AttributeError, match="section 'train' is not declared"):
        _ = selected.train


def test_importing_params_needs_no_torch():
    code = "import sys, pipeline.params.reading; print('torch' in sys.modules or 'transformers' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("stage", ["train", "explore", "decode", "rank", "predict"])
def test_processes_that_take_a_gpu_each_cannot_spread_a_model_over_all(stage, make_params):
    make_params(**{"model.device_map": "auto"})
    with pytest.raises(InputError) as refusal:
        make_params(**{"model.device_map": "auto", f"{stage}.processes": 2})
    (line,) = refusal.value.mistakes
    assert f"{stage}.processes: 2 processes take a GPU each, but model.device_map: auto" in line


TASK = {"task": "generation", "prompt.template": "{text}", "decode.few_shot": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"prompt.template": "{text} 요약: "},
            "prompt.template: '{text} 요약: ' is for summaries; with task: generation it must be '{text}'",
        ),
        ({"prompt.shots": 2}, "prompt.shots: 2 is for summaries; with task: generation it must be 0"),
        ({"decode.few_shot": 2}, "decode.few_shot: 2 is for summaries; with task: generation it must be 0"),
        ({"decode.search": "halving"}, "decode.search: 'halving' is for summaries"),
        ({"preprocess.folds": 5}, "preprocess.folds: 5 is for summaries; with task: generation it must be null"),
        ({"train.metric_for_best_model": "rouge"}, "train.metric_for_best_model: 'rouge' is for summaries"),
        ({"score.external": ["data/external/a.csv"]}, "score.external: ['data/external/a.csv'] is for summaries"),
        ({"predict.fill_empty": "lead-1"}, "predict.fill_empty: 'lead-1' is for summaries"),
        ({"predict.use": "lead-1"}, "predict.use: no row 'lead-1' in the leaderboard; rows: best, greedy/"),
        ({"predict.use": "consensus/all"}, "predict.use: no row 'consensus/all' in the leaderboard"),
        ({"model.name": "pair", "model.encoder": "a", "model.decoder": "b"}, "task: generation needs a causal model"),
        ({"model.name": "a", "model.architecture": "encoder-decoder"}, "task: generation needs a causal model"),
        ({"generation.block_size": 513}, "generation.block_size: 513 is larger than pretrain.n_positions 512"),
        ({"generation.block_size": 1}, "generation.block_size: input should be greater than or equal to 2, not 1"),
        ({"decode.grid": {"human": {}}}, "decode.grid.human: the name is that of another row of the leaderboard"),
        ({"task": "essays"}, "task: input should be 'summarization' or 'generation', not 'essays'"),
    ],
)
def test_what_needs_summaries_is_refused_where_openings_are_continued(make_params, changes, message):
    assert make_params(**TASK).task == "generation"
    with pytest.raises(InputError) as refusal:
        make_params(**{**TASK, **changes})
    assert [line for line in refusal.value.mistakes if not line.startswith(f"params.yaml: {message}")] == []


def test_quantized_weights_are_trained_by_one_process_and_decoded_by_many(make_params):
    make_params(**{"model.quantization": "4bit", "decode.processes": 2, "predict.processes": 2})
    with pytest.raises(InputError) as refusal:
        make_params(**{"model.quantization": "4bit", "train.processes": 2})
    (line,) = refusal.value.mistakes
    assert "train.processes: 2 processes cannot train model.quantization 4bit weights; use one" in line


def test_stage_may_be_given_some_keys_of_a_section(make_params):
    selected = make_params().select("seed", "train.distill.teacher", "train.distill.alpha")
    assert (selected.seed, selected.train.distill.teacher, selected.train.distill.alpha) == (42, None, 0.5)
    for section, key in ((selected.train, "learning_rate"), (selected.train.distill, "temperature")):
        with pytest.raises(AttributeError, match=f"'{key}' is not declared for this stage"):
            getattr(section, key)


@pytest.mark.parametrize(
    "override", ["lora.r=8", "data.limit=10", "preprocess.clean.html=true", "decode.max_new_tokens=32"]
)
def test_experiment_changes_one_line_of_the_shipped_file(override, tmp_path):
    # DVC drops a comment (and a blank line) that stands behind a list, and writes every list as a block
    from builders import ROOT
    from dvc.utils.hydra import apply_overrides

    shipped, path = (ROOT / "params.yaml").read_text(), tmp_path / "params.yaml"
    path.write_text(shipped)
    apply_overrides(path, [override])
    lines = (filter(None, content.splitlines()) for content in (shipped, path.read_text()))
    changed = [line for line in ndiff(*map(list, lines)) if line[0] in "+-"]
    assert [line[0] for line in changed] == ["-", "+"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"refine.margin": "wide"}, "refine.margin: must be auto, or a number of at least 0, not 'wide'"),
        ({"refine.margin": -0.1}, "refine.margin: must be auto, or a number of at least 0, not -0.1"),
        ({"explore.grid": {"g": {"top_p": 0.9}}}, "explore.grid.g.top_p: has no effect without do_sample: true"),
        (
            {"explore.grid": {"g": {"min_new_tokens": 64, "num_beams": 2, "num_return_sequences": 2}}},
            "explore.grid.g.min_new_tokens: must be below prompt.max_summary_tokens 64",
        ),
        ({"explore.grid": {"g": {}}}, "explore.grid: gives a document one candidate, and there is nothing to compare"),
        (
            {"refine.method": "brio", "train.method": "none"},
            "refine.method: brio goes on with what training left, and train.method: none leaves nothing",
        ),
        (
            {"refine.method": "mrt", "score.tokenizer": "whitespace"},
            "refine.tokenizer: must be that of score.tokenizer, which selects",
        ),
        (
            {"refine.method": "mrt", "train.processes": 2},
            "explore.processes: must be train.processes 2, for it trains as train does, or set out_of_fold: never",
        ),
    ],
)
def test_learning_from_candidates_that_cannot_be_is_refused(make_params, changes, message):
    with pytest.raises(InputError) as refusal:
        make_params(**changes)
    (line,) = refusal.value.mistakes
    assert message in line


def test_what_does_not_matter_where_nothing_is_refined_is_not_refused(make_params):
    make_params(**{"score.tokenizer": "whitespace", "train.method": "none", "explore.processes": 4, "refine.margin": 1})
    make_params(**{"refine.method": "mrt", "train.processes": 2, "explore.out_of_fold": "never"})


def test_part_of_a_section_says_the_same_in_every_process_and_gives_mappings_as_they_are(make_params):
    chosen = make_params().select("refine.weights", "refine.method", "seed")
    assert chosen.refine.weights == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    # the name of a run's folder is made of it
    assert str(chosen.refine) == f"SelectedParams({{'weights': {chosen.refine.weights}, 'method': 'none'}})"
    with pytest.raises(AttributeError, match="section 'gamma' is not declared"):
        _ = chosen.refine.gamma


BOMB = "".join(
    f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9)) if i else 'x: 1'}}}\n" for i in range(30)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\n" * 50_000, "has 250,000 characters, and 200,000 are the most that is read of YAML"),
        (BOMB, "holds more than 100,000 values, its aliases (*name) written out"),
        ("data: &a {x: *a}", "holds more than 100,000 values, its aliases (*name) written out"),
        ("{" * 3000, "is not valid YAML: it is nested too deeply"),
        ("seed: !!int x", "is not valid YAML: invalid literal for int() with base 10: 'x'"),
    ],
)
def test_yaml_that_would_never_end_is_refused(content, message):
    with pytest.raises(InputError) as refusal:
        parse_params(content)
    assert refusal.value.mistakes == [f"params.yaml: {message}"]


def test_what_a_further_data_set_lacks_is_told_by_key(make_params):
    with pytest.raises(InputError) as refusal:
        make_params(**{"data.extra": [{"layout": "csv", "wieght": 1}]})
    lines = refusal.value.mistakes
    assert lines[0].startswith("params.yaml: data.extra.0.path: is missing (In data.folder")
    assert "params.yaml: data.extra.0.wieght: not a known key (did you mean weight?)" in lines


def test_shards_are_of_lora_and_full_alone_and_placed_by_nobody_else(make_params):
    sharded = {"train.parallel": "fsdp", "train.processes": 2}
    make_params(**sharded)
    make_params(**sharded, **{"train.method": "full", "refine.method": "best", "explore.out_of_fold": "never"})
    for changes, line in (
        ({"train.method": "prompt_tuning"}, "train.parallel: fsdp shards what lora and full train, not"),
        ({"train.method": "none"}, "train.parallel: fsdp shards what lora and full train, not train.method: none"),
        ({"train.metric_for_best_model": "rouge"}, "train.metric_for_best_model: rouge writes summaries while"),
        ({"train.distill.teacher": "teacher"}, "train.distill.teacher: is whole in every process"),
        ({"model.quantization": "8bit"}, "model.quantization: 8bit places the weights itself"),
        ({"refine.method": "best"}, "refine.method: best lets explore train whole models"),
    ):
        with pytest.raises(InputError) as refusal:
            make_params(**sharded, **changes)
        assert any(line in mistake for mistake in refusal.value.mistakes), refusal.value.mistakes
