"""Folds' experiments are named by all that shapes a run, as it lies here."""

import pytest

from pipeline.history.experiments import name_folds

FILES = ("train.csv", "test.csv", "sample_submission.csv", "data/external/chat.csv", "dvc.yaml", "model/config.json")
FILES += ("more.csv",)


@pytest.fixture
def name(make_params, tmp_path, monkeypatch):
    """A project without git; gives the digest in its folds' names."""
    monkeypatch.chdir(tmp_path)
    for file in (*FILES, "pipeline/cli/app.py", "teacher/config.json"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("one")
    fixed = {"data.folder": "."} | {f"data.{name}": f"{name}.csv" for name in ("train", "test", "sample_submission")}
    fixed |= {
        "score.external": ["data/external/chat.csv"],
        "model.name": "./model",
        "train.distill.teacher": "./teacher",
        "data.extra": [{"path": "more.csv", "layout": "auto", "weight": 1.0}],
    }

    def build(**changes):
        first, second = name_folds(make_params(**fixed, **changes), 2)
        assert (first[:6], second[:6]) == ("fold0-", "fold1-")
        assert first[6:] == second[6:]
        return first[6:]

    return build


@pytest.mark.parametrize("file", [*FILES, "pipeline/cli/app.py", "pipeline/new.py", "teacher/config.json"])
def test_changed_file_is_another_run_committed_or_not(name, tmp_path, file):
    before = name()
    (tmp_path / file).write_text("two")
    assert name() != before
    (tmp_path / file).write_text("one")
    assert (name() == before) == (file != "pipeline/new.py")


def test_params_are_part_of_the_name_but_not_which_fold_is_set(name):
    assert name(seed=7) != name()
    assert name(**{"preprocess.folds": 2, "preprocess.fold": 1}) == name(**{"preprocess.folds": 2})
