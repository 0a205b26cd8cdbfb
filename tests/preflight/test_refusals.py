"""data.folder and what the stages write do not lie in each other."""

import pytest

from pipeline.errors import InputError
from pipeline.preflight.refusals import refuse_own_outputs


@pytest.mark.parametrize(
    "folder", [".", "data", "data/processed", "data/processed/raw", "submissions", "models", "../"]
)
def test_folder_that_dvc_would_read_and_write_is_refused(folder, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(InputError, match=rf"^data\.folder: {folder} and .*, which the stages write, lie in each other"):
        refuse_own_outputs(folder)


@pytest.mark.parametrize("folder", ["data/sample", "data/mine", "../elsewhere", "/data/court", "model"])
def test_folder_of_its_own_is_taken(folder, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    refuse_own_outputs(folder)
