"""One tiny project that ran to its end; the tests break it, and leave it as it was."""

import shutil

import pytest
from builders import ROOT, dump_params
from faults.projects import BUSY, STAGES, Project, digest_outputs, remove
from typer.testing import CliRunner

from pipeline.cli.app import app


@pytest.fixture(scope="session")
def finished(shipped, tmp_path_factory):
    """A project that ran without interruption, seconds by stage, and what it left."""
    project = Project(shipped, tmp_path_factory.mktemp("killed"))
    seconds = project.measure()
    # otherwise nothing that the stages before it do would show in it
    assert len(set((project.folder / "submissions/submission.csv").read_text().splitlines())) > 10
    return project, seconds, project.digest()


@pytest.fixture(scope="session")
def plain(shipped, tmp_path_factory):
    """A folder in which every stage has run, without git and DVC, and what they left."""
    folder = tmp_path_factory.mktemp("plain")
    for name in ("data/sample", "data/external"):
        shutil.copytree(ROOT / name, folder / name)
    dump_params(shipped, BUSY | {"train.num_train_epochs": 1}, folder / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("YOYAK_SCRATCH", raising=False)
        for stage in STAGES:
            result = CliRunner().invoke(app, [stage], catch_exceptions=False)
            assert result.exit_code == 0, result.output
    remove(folder / ".yoyak")
    return folder, digest_outputs(folder)
