"""One tiny project that ran to its end; the tests break it, and leave it as it was."""

import pytest
from faults.projects import Project


@pytest.fixture(scope="session")
def finished(shipped, tmp_path_factory):
    """A project that ran without interruption, seconds by stage, and what it left."""
    project = Project(shipped, tmp_path_factory.mktemp("killed"))
    seconds = project.measure()
    # otherwise nothing that the stages before it do would show in it
    assert len(set((project.folder / "submissions/submission.csv").read_text().splitlines())) > 10
    return project, seconds, project.digest()
