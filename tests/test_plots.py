"""DVC's own views: what dvc.yaml declares can be shown, and two states of it compared."""

import json
import shutil

import pandas as pd
import pytest
from builders import ROOT, build_results
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline.reporting.axes import compute_axes
from pipeline.tables import save_csv

DECLARED = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())


def list_plots():
    """The plot files of the stages, with their settings."""
    return {
        path: given for s in DECLARED["stages"].values() for one in s.get("plots", []) for path, given in one.items()
    }


@pytest.fixture
def results(make_params):
    found = build_results()
    axes = compute_axes(found.scores, make_params(**{"score.resamples": 100}).score, 0)
    refined = pd.DataFrame({"step": [0, 10], "loss": [None, 0.5], "valid_rouge": [0.4, 0.41]})
    tables = {"plots/train.csv": found.history, "plots/refine.csv": refined, "plots/axes.csv": axes}
    return tables | {"metrics/leaderboard.csv": found.board}


def test_every_plot_names_columns_that_its_file_has(results):
    assert set(list_plots()) == set(results)
    for path, given in list_plots().items():
        assert {given["x"], given["y"]} <= set(results[path].columns)
    for one in DECLARED["plots"]:
        for given in one.values():
            for path, column in given["y"].items():
                assert {given["x"], column} <= set(results[path].columns)


def test_template_finds_the_ends_of_the_intervals_in_both_tables(results):
    text = (ROOT / ".dvc/plots/interval.json").read_text()
    template = json.loads(text)
    assert [layer["mark"]["type"] for layer in template["layer"]] == ["rule", "point"]
    assert {"score_low", "score_high"} <= set(results["metrics/leaderboard.csv"].columns)
    assert {"low", "high"} <= set(results["plots/axes.csv"].columns)
    assert not {"low", "high"} & set(results["metrics/leaderboard.csv"].columns)
    assert all(f"datum.{end}) ? datum.{end} : datum.score_{end}" in text for end in ("low", "high"))


@pytest.mark.parametrize("rows", [None, 0])
def test_dvc_draws_all_of_them_also_where_a_run_left_none(rows, results, tmp_path, monkeypatch):
    from dvc.render.match import match_defs_renderers

    monkeypatch.chdir(tmp_path)
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots")
        stages = {"all": {"cmd": "true", "plots": [{path: given} for path, given in list_plots().items()]}}
        with (tmp_path / "dvc.yaml").open("w") as file:
            YAML().dump({"stages": stages, "plots": DECLARED["plots"]}, file)
        for path, frame in results.items():
            save_csv(frame.head(rows) if rows is not None else frame, tmp_path / path)
        shown = repo.plots.show()
        drawn = match_defs_renderers(shown, templates_dir=str(tmp_path / ".dvc/plots"))
        specs = {one.renderer.name: one.renderer.get_filled_template() for one in drawn if one.renderer.datapoints}
    if rows == 0:
        assert specs == {}
        return
    assert set(specs) == {*results, "learning rate"}
    leaderboard = specs["metrics/leaderboard.csv"]
    assert "<DVC_METRIC" not in json.dumps(leaderboard)
    assert leaderboard["layer"][1]["encoding"]["x"]["field"] == "score"
    assert leaderboard["encoding"]["y"]["field"] == "name"
