"""The READMEs, English and Korean: the same commands, the same stages, and nothing named that is not there."""

import re

import pytest
from builders import ROOT
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli.app import app

READMES = ("README.md", "README.ko.md")
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def read(name):
    return (ROOT / name).read_text()


def list_lines_to_type(text):
    """Indented lines, comments left out."""
    return [line.split("  #")[0].strip() for line in re.findall(r"^    (\S.*)$", text, re.M)]


def list_stage_rows(text):
    """The rows of the table of stages: name, what it does, sections."""
    return [row for line in re.findall(r"^\| (`.*) \|$", text, re.M) if len(row := line.split(" | ")) == 3]


def test_both_say_the_same_lines_to_type():
    english, korean = (list_lines_to_type(read(name)) for name in READMES)
    assert "dvc exp run -S lora.r=8" in english
    assert korean == english


@pytest.mark.parametrize("name", READMES)
def test_table_has_the_stages_of_the_graph(name):
    assert [row[0] for row in list_stage_rows(read(name))] == [f"`{stage}`" for stage in STAGES]


def test_both_say_of_the_same_sections_that_they_run_a_stage_again():
    english, korean = ([re.findall("`.*?`", row[2]) for row in list_stage_rows(read(name))] for name in READMES)
    assert korean == english


@pytest.mark.parametrize("name", READMES)
def test_commands_keys_and_links_exist(name, shipped):
    text = read(name)
    commands = re.findall(r"python -m pipeline ([^\n&`]+?)(?:  +#.*)?$", text, re.M)
    assert len(commands) > 5
    # --help answers last: a wrong option is refused before it
    assert [c for c in commands if CliRunner().invoke(app, [*c.split(), "--help"]).exit_code] == []
    sections = "|".join(key for key, value in shipped.items() if isinstance(value, dict))
    keys = re.findall(rf"-S ([\w.]+)=|`((?:{sections})\.(?!csv)[\w.]+)[`:]", text)
    assert len(keys) > 15
    for key in ("".join(pair) for pair in keys):
        values = shipped
        # what stands behind a list is of what a participant puts into it
        for part in key.split("."):
            if isinstance(values, list):
                break
            assert part in values, key
            values = values[part]
    links = re.findall(r"\]\((?!https:)(.*?)\)", text)
    assert {*READMES, "notebooks/colab.ipynb"} - {name} <= set(links)
    assert [link for link in links if not (ROOT / link).is_file()] == []
