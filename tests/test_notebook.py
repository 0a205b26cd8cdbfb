"""notebooks/colab.ipynb: its form, the way of its cells on a fresh Colab machine, and one run of them all."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from builders import ROOT
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli.app import app

NOTEBOOK = ROOT / "notebooks/colab.ipynb"
TINY = """
about: {parameters: '-', purpose: seconds}
data:
  limit: 60
prompt:
  max_summary_tokens: 16
pretrain:
  vocab_size: 400
  n_embd: 32
  n_layer: 1
  n_head: 2
  num_train_epochs: 1
train:
  num_train_epochs: 1
decode:
  max_new_tokens: 8
  grid:
    greedy:
      no_repeat_ngram_size: [0, 3]
score:
  resamples: 100
predict:
  fill_empty: lead-1
"""
# google.colab as far as the notebook knows it, and a pip that only tells what it was asked for
COLAB = {
    "google/__init__.py": "",
    "google/colab/__init__.py": "",
    "google/colab/drive.py": "from google.calls import add\n\ndef mount(path):\n    add('mount', path)\n",
    "google/colab/files.py": """
from pathlib import Path
from google.calls import add

def upload():
    add('upload', str(Path.cwd()))
    Path('train.csv').write_text('id,text,summary')

def download(path):
    add('download', path)
""",
    "google/calls.py": """
import json, os

def add(*call):
    with open(os.environ['CALLS'], 'a') as file:
        file.write(json.dumps(call) + '\\n')
""",
    "pip/__init__.py": "",
    "pip/__main__.py": """
import sys
from pathlib import Path
from google.calls import add

add('pip', *sys.argv[1:])
if 'install' in sys.argv:
    site = next((Path(sys.argv[sys.argv.index('--python') + 1]).parents[1] / 'lib').glob('*/site-packages'))
    (site / 'yoyak-0.1.0.dist-info').mkdir()
""",
}


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, 4)


@pytest.fixture
def environment(tmp_path):
    """A home without settings of this machine, in which a kernel may write."""
    home = tmp_path / "home"
    home.mkdir()
    return {**os.environ, "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "DVC_NO_ANALYTICS": "1"}


def build_project(folder: Path, environment: dict[str, str]) -> Path:
    """A git repository with this project's files as they lie here, committed or not."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)
    return folder


def run_cells(notebook, folder: Path, environment: dict[str, str], *, last: str = "", times: int = 1, **parameters):
    """Executes the cells up to one of them in a new kernel, so many times over, with other values at the top.

    Returns:
        What each code cell printed.
    """
    ids = [cell["id"] for cell in notebook.cells]
    cells = notebook.cells[: ids.index(last) + 1] if last else notebook.cells
    notebook.cells = [
        nbformat.v4.new_code_cell(cell.source, id=cell["id"]) if cell.cell_type == "code" else cell for cell in cells
    ]
    (top,) = [cell for cell in notebook.cells if cell["id"] == "parameters"]
    for name, value in parameters.items():
        top.source, count = re.subn(rf"(?m)^{name} = .*$", lambda _, n=name, v=value: f"{n} = {v!r}", top.source)
        assert count == 1
    client = NotebookClient(notebook, timeout=600, kernel_name="python3")
    with client.setup_kernel(env=environment, cwd=str(folder)):
        for _ in range(times):
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
    return {
        cell["id"]: "".join(out.get("text", "") for out in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def test_form(notebook):
    nbformat.validate(notebook)
    # as nbformat writes it, without outputs and with ids that say what a cell is: small differences in git
    assert nbformat.writes(notebook) + "\n" == NOTEBOOK.read_text()
    assert len({cell["id"] for cell in notebook.cells}) == len(notebook.cells)
    transform = TransformerManager().transform_cell
    for cell in notebook.cells:
        assert not re.fullmatch(r"[0-9a-f-]{8,}", cell["id"])
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count, cell.metadata) == ([], None, {})
            ast.parse(transform(cell.source))


def test_commands_and_keys_exist(notebook, shipped):
    text = "\n".join(cell.source for cell in notebook.cells)
    commands = re.findall(r"python -m pipeline ([^\n&`]+)", text)
    assert {"check", "preset list", "leaderboard show", "compare HEAD"} <= set(commands)
    # --help answers last: a wrong option is refused before it
    assert [c for c in commands if CliRunner().invoke(app, [*shlex.split(c), "--help"]).exit_code] == []
    keys = re.findall(r"-S (\S+?)=", text) + re.findall(r"`((?:data|train|prompt|decode)\.(?!csv)\w+)`", text)
    assert {"lora.r", "train.eval_steps"} <= set(keys)
    for key in keys:
        values = shipped
        for name in key.split("."):
            assert name in values, key
            values = values[name]
    (preset,) = re.findall(r'^PRESET = "(.*)"', text, re.M)
    assert (ROOT / f"presets/{preset}.yaml").is_file()


@pytest.mark.slow  # starts pip and git; its cells are read every day
def test_fresh_colab_machine_is_set_up_once(notebook, environment, tmp_path):
    origin = build_project(tmp_path / "origin", environment)
    for name, text in COLAB.items():
        path = tmp_path / "colab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment["CALLS"] = str(tmp_path / "calls")
    environment["PYTHONPATH"] = f"{tmp_path / 'colab'}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    (setup,) = [cell for cell in notebook.cells if cell["id"] == "install"]
    # the packages are here already, which the cell must not see
    setup.source = setup.source.replace("all(map(find_spec, ", "not all(map(find_spec, ")
    content, drive = tmp_path / "content", tmp_path / "drive/yoyak"
    content.mkdir()
    values = {"REPOSITORY": str(origin), "DRIVE_FOLDER": str(drive), "DATA": "upload"}
    outputs = run_cells(notebook, content, environment, last="data", times=2, **values)
    assert (drive / "dvc.yaml").is_file()
    assert "train.csv" in outputs["data"]
    home = Path(environment["HOME"])
    install = ["--python", f"{home}/yoyak-venv/bin/python", "install", "-q", "-e", ".[quantization]", "-c"]
    assert [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()] == [
        ["mount", "/content/drive"],
        ["pip", *install, f"{home}/yoyak-constraints.txt"],
        ["pip", "uninstall", "-q", "-y", "torchao"],
        ["upload", str(drive / "data/mine")],
        ["mount", "/content/drive"],
    ]
    pins, kept = (path.read_text().splitlines() for path in (ROOT / "constraints.txt", home / "yoyak-constraints.txt"))
    assert [line for line in pins if line not in kept] == [line for line in pins if line.startswith("torch==")]
    # the next machine finds the project on the drive
    outputs = run_cells(
        nbformat.read(NOTEBOOK, 4), content, environment, last="project", **{**values, "REPOSITORY": ""}
    )
    assert outputs["project"].strip() == str(drive)


@pytest.mark.slow  # starts the CLI a few times
def test_preset_and_data_are_applied_once(notebook, environment, tmp_path):
    project = build_project(tmp_path / "project", environment)
    own = tmp_path / "own"
    shutil.copytree(ROOT / "data/sample", own)
    path = project / "params.yaml"
    values = {"PRESET": "kogpt2", "DATA": str(own)}
    # everything is installed, and need not be looked at: that loads torch
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    notebook.cells = [cell for cell in notebook.cells if cell["id"] not in ("install", "preset-list")]
    # opened where it lies
    run_cells(notebook, project / "notebooks", environment, last="preset", **values)
    params = YAML(typ="safe").load(path.read_text())
    assert params["model"]["name"] == "skt/kogpt2-base-v2"
    assert params["data"]["folder"] == "data/mine"
    assert (project / "data/mine/train.csv").read_bytes() == (own / "train.csv").read_bytes()
    edited = path.read_text().replace("  r: 16\n", "  r: 4\n", 1)
    path.write_text(edited)
    run_cells(notebook, project, environment, last="preset", **values)
    assert path.read_text() == edited


@pytest.mark.slow
def test_all_cells_run_up_to_a_submission(notebook, environment, tmp_path):
    """Slow: a tiny graph and an experiment; then everything again, as after a disconnect."""
    project = build_project(tmp_path / "project", environment)
    (project / "presets/tiny.yaml").write_text(TINY)
    for name in ("test", "sample_submission"):
        path = project / f"data/sample/{name}.csv"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:41]))
    outputs = run_cells(notebook, project, environment, PRESET="tiny", EXPERIMENT="lora.r=8")
    ids = [
        [line.split(",")[0] for line in (project / file).read_text().splitlines()]
        for file in ("submissions/submission.csv", "data/sample/sample_submission.csv")
    ]
    assert ids[0] == ids[1]
    assert outputs["download"] == "submissions/submission.csv\n"
    assert "Running stage 'export'" in outputs["repro"]
    assert "lead-1" in outputs["leaderboard"]
    (report,) = [cell for cell in notebook.cells if cell["id"] == "report"]
    assert "<iframe srcdoc=" in report.outputs[0].data["text/html"]
    assert "params: lora.r: 16 -> 8" in outputs["compare"]
    baseline = outputs["baseline"]
    outputs = run_cells(notebook, project, environment, PRESET="tiny", EXPERIMENT="lora.r=8")
    assert "Running stage" not in outputs["repro"] + outputs["experiment"]
    assert outputs["baseline"] == baseline
    assert "params: lora.r: 16 -> 8" in outputs["compare"]
