"""dvc.lock: which params made a file."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.history.dvc_lock import parse_lock

SCORES = Path("scores")
LOCK = """
schema: '2.0'
stages:
  preprocess:
    cmd: a
    params: {params.yaml: {seed: 1, model: old}}
    outs: [{path: table, md5: aaa}]
  score:
    cmd: b
    deps: [{path: table, md5: aaa}, {path: data/external, md5: e.dir}]
    params: {params.yaml: {seed: 2, score: {tokenizer: mecab}}}
    outs: [{path: scores, md5: bbb}]
  export:
    cmd: c
    deps: [{path: scores, md5: ccc}]
    params: {params.yaml: {export: late}}
    outs: [{path: file, md5: fff}]
"""


def test_params_are_of_the_stages_before_and_of_the_nearest():
    # a killed repro has run preprocess with seed 1 again, to the same table
    found = parse_lock(LOCK.encode(), "main").find_params(SCORES)
    assert found == {"seed": 2, "score": {"tokenizer": "mecab"}, "model": "old"}


def test_stage_that_has_run_since_is_named():
    with pytest.raises(InputError, match=r"^main: preprocess has run since score, and dvc\.lock knows only its last"):
        parse_lock(LOCK.replace("md5: aaa}]", "md5: ddd}]").encode(), "main").find_params(SCORES)


@pytest.mark.parametrize("content", [b"", b"stages: {}", b"schema: '2.0'\nstages:", b"stages: [", b"\xff\xfe\x00"])
def test_what_is_no_lock_is_one_line(content):
    with pytest.raises(InputError, match=r"^main: dvc\.lock cannot be read; remove it, and dvc repro makes it anew$"):
        parse_lock(content, "main")


def test_lock_of_no_stage_made_nothing():
    with pytest.raises(InputError, match=r"^main: scores is not what dvc\.lock records; dvc repro$"):
        parse_lock(b"schema: '2.0'", "main").check_made(SCORES, b"")
