"""compare: differences that can be counted by hand, and what is refused."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from builders import ROOT
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.errors import InputError
from pipeline.history.compare import (
    Experiment,
    compare_experiments,
    describe_comparison,
    find_differences,
    flatten_params,
)
from pipeline.tables import save_json

PARAMS = {"score": {"tokenizer": "mecab", "weights": {"rouge1": 1.0}}, "lora": {"r": 16}}


def build_experiment(name, scores, params=PARAMS, ids=None):
    ids = ids or [f"a{i}" for i in range(len(scores))]
    frame = pd.DataFrame({"id": ids, "text": [f"{name} {i}" for i in ids], "score": scores})
    return Experiment(name, flatten_params(params), "greedy", frame)


def compare(before, after):
    return compare_experiments(before, after, 500, 0.95, 0)


def test_difference_is_paired_by_id_whatever_the_order():
    before = build_experiment("one", [0.1, 0.5, 0.9])
    after = build_experiment("two", [0.9, 0.6, 0.1], ids=["a2", "a1", "a0"])
    result = compare(before, after)
    assert result.difference == pytest.approx(0.1 / 3)
    assert result.moves["difference"].round(6).tolist() == [0.1, 0, 0]
    assert result.low <= result.difference <= result.high


def test_lines_say_what_changed_and_whether_it_is_noise():
    after = build_experiment("two", [0.2, 0.6, 0.5], PARAMS | {"lora": {"r": 8}, "seed": 1})
    before = build_experiment("one", [0.1, 0.5, 0.5])
    lines = list(describe_comparison(before, after, compare(before, after), 0.95))
    assert lines[0] == "one: 0.3667  greedy"
    assert lines[1] == "two: 0.4333  greedy"
    assert lines[2].startswith("difference: +0.0667, 95% interval +0.0")
    assert lines[3] == "documents: 2 better, 0 worse, 1 equal, of 3"
    assert lines[4:6] == ["params: lora.r: 16 -> 8", "params: seed: None -> 1"]
    assert lines[6:10] == ["largest gains:", "  +0.1000  a0", "    - one a0", "    + two a0"]
    assert not [line for line in lines if "losses" in line]


def test_other_task_cannot_be_compared_and_there_was_one_before_it_had_a_name():
    before, after = (
        build_experiment(name, [0.1, 0.5], PARAMS | {"task": name}) for name in ("generation", "summarization")
    )
    with pytest.raises(InputError, match="scored differently: task is 'generation' and 'summarization'"):
        compare(before, after)
    assert compare(build_experiment("old", [0.1, 0.5]), after).difference == 0


def test_verdict_follows_the_interval():
    before = build_experiment("one", [0.5] * 20)
    noise, better = (build_experiment("two", scores) for scores in ([0.4, 0.6] * 10, [0.6, 0.7] * 10))
    assert "no more than noise" in list(describe_comparison(before, noise, compare(before, noise), 0.95))[2]
    assert list(describe_comparison(before, better, compare(before, better), 0.95))[2].endswith(": more than noise")


def test_ten_largest_moves_are_shown_each_way_largest_first():
    before = build_experiment("one", [0.5] * 30)
    after = build_experiment("two", [0.5 + (i - 14.5) / 100 for i in range(30)])
    lines = list(describe_comparison(before, after, compare(before, after), 0.95))
    moves = [line.split() for line in lines if line.startswith("  ") and not line.startswith("    ")]
    assert [name for _, name in moves] == [f"a{i}" for i in (*range(29, 19, -1), *range(10))]
    assert (moves[0][0], moves[10][0]) == ("+0.1450", "-0.1450")


def test_other_documents_and_other_scores_are_refused_together():
    before = build_experiment("one", [0.1, 0.2])
    after = build_experiment("two", [0.1, 0.2], {"score": {"tokenizer": "whitespace"}}, ids=["a0", "b"])
    with pytest.raises(InputError) as refusal:
        compare(before, after)
    assert refusal.value.mistakes == [
        "one and two: scored differently: score.tokenizer is 'mecab' and 'whitespace'",
        "one and two: scored differently: score.weights.rouge1 is 1.0 and None",
        "one and two: validated on different documents: 2 ids stand in only one of them, first 'a1'",
    ]


def test_other_references_of_the_same_ids_are_other_documents():
    before, after = build_experiment("one", [0.1, 0.2]), build_experiment("two", [0.1, 0.2])
    other = replace(after, split="c0ffee")
    assert compare(before, other).difference == 0
    with pytest.raises(InputError, match="different documents: their ids are alike, and not their references"):
        compare(replace(before, split="decade"), other)


def test_weights_are_compared_by_their_shares():
    shares = [{"rouge1": 1, "rouge2": 1}, {"rouge1": 0.5, "rouge2": 0.5, "rougeS": 0}, {"rouge1": 1}]
    one, same, other = (
        build_experiment(str(number), [0.5], {"score": {"tokenizer": "mecab", "weights": weights}})
        for number, weights in enumerate(shares)
    )
    assert compare(one, same).difference == 0
    with pytest.raises(InputError, match=r"score\.weights\.rouge2 is 0\.5 and None"):
        compare(one, other)


def test_differences_name_keys_of_either_side():
    assert find_differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {"a": (1, None), "b": (2, 3), "c": (None, 4)}


# a graph of two stages: scores follow the rank, and the weights leave no trace but in params
GRAPH = {
    "dvc.yaml": """
stages:
  train:
    cmd: python stage.py train
    params: [lora]
    outs: [adapter]
  score:
    cmd: python stage.py score
    deps: [adapter]
    params: [score]
    outs: [predictions/scores.parquet, predictions/selection.json]
""",
    "stage.py": """
import sys
from pathlib import Path

if sys.argv[1] == "train":
    import re

    rank = re.search(r"^lora:\\n  r: (\\d+)$", Path("params.yaml").read_text(), re.M)[1]
    sys.exit(Path("adapter").write_text(rank) and 0)
import pandas as pd
from pipeline.tables import SCORES, save_json, save_table

score = int(Path("adapter").read_text()) / 64
frame = pd.DataFrame({"id": ["a", "b"], "name": "greedy", "kind": "configuration", "text": ["하나", "둘"]})
save_table(frame.assign(score=score, rouge1=score, rouge2=score, rougeL=score), Path("predictions/scores.parquet"), SCORES)
save_json({"name": "greedy"}, Path("predictions/selection.json"))
""",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A DVC repository with two versions of a validation result (ranks 16 and 32), the first also an experiment."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        set_environment(patch)
        for name, content in GRAPH.items():
            (folder / name).write_text(content)
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        run("git init -q")
        run("dvc init -q")
        for rank in (16, 32):
            set_param("r: 16", f"r: {rank}")
            run("dvc repro -q")
            run("git add -A")
            run(f"git commit -q -m {rank}")
        base = run("git rev-parse HEAD~1")
        run(f"git update-ref refs/exps/{base[:2]}/{base[2:]}/small-rank {base}")
    return folder


@pytest.fixture
def repository(made, tmp_path, monkeypatch):
    """`made`, to be changed; runs compare there."""
    folder = tmp_path / "repository"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    set_environment(monkeypatch)
    return lambda *command: CliRunner().invoke(app, ["compare", *command], catch_exceptions=False)


def set_environment(patch):
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("PYTHONPATH", str(ROOT))
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "t")
        patch.setenv(f"GIT_{role}_EMAIL", "t@t")


def run(command):
    done = subprocess.run(command.split(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout.strip()


def set_param(old, new):
    path = Path("params.yaml")
    content = path.read_text()
    path.write_text(content.replace(old, new, 1))


def test_experiments_and_revisions_are_compared_by_name(repository):
    for names in (("small-rank",), ("HEAD~1", "HEAD")):
        result = repository(*names)
        assert result.exit_code == 0, result.output
        assert "difference: +0.2500, 95% interval +0.2500 … +0.2500: more than noise" in result.output
        assert "params: lora.r: 16 -> 32" in result.output


def test_params_are_those_that_made_the_scores_and_not_the_edited_ones(repository):
    set_param("lora:\n  r: 32", "lora:\n  r: 8")
    set_param("  tokenizer: mecab\n  weights:\n    rouge1: 1.0", "  tokenizer: whitespace\n  weights:\n    rouge1: 1.0")
    run("git commit -q -a -m edited")
    for after in ("workspace", "HEAD"):
        result = repository("HEAD~2", after)
        assert result.exit_code == 0, result.output
        assert [line for line in result.output.splitlines() if line.startswith("params")] == [
            "params: lora.r: 16 -> 32"
        ]


def test_scores_that_other_params_may_have_made_are_refused(repository):
    set_param("lora:\n  r: 32", "lora:\n  r: 8")
    run("dvc repro -q train")
    result = repository("HEAD")
    assert result.exit_code == 2
    assert result.output.strip() == (
        "workspace: train has run since score, and dvc.lock knows only its last params; dvc repro"
    )


def test_scores_that_dvc_did_not_make_are_refused(repository):
    Path("predictions/selection.json").unlink()
    save_json({"name": "greedy", "by": "hand"}, Path("predictions/selection.json"))
    result = repository("HEAD")
    assert result.exit_code == 2
    assert result.output.strip() == "workspace: predictions/selection.json is not what dvc.lock records; dvc repro"


def test_unknown_experiment_is_refused(repository):
    result = repository("nothing")
    assert result.exit_code == 2
    assert result.output.strip() == "nothing: neither a DVC experiment nor a git revision"


def test_experiment_that_never_ran_is_refused(repository):
    run("git rm -q dvc.lock")
    run("git commit -q -m none")
    result = repository("HEAD", "HEAD~1")
    assert result.exit_code == 2
    assert result.output.startswith("HEAD: has no dvc.lock")
    assert len(result.output.splitlines()) == 1
