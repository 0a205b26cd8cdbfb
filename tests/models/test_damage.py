"""Whichever library writes: a file that cannot be written is an OSError that names its folder."""

import errno
import os
import resource
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import save_file

from pipeline.models.damage import refuse_unwritable
from pipeline.models.folders import replace_directory


@contextmanager
def small_files():
    """No file may have more than a hundred bytes; pytest's own output may, so no fixture."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


WRITERS = {
    "safetensors": lambda folder, tokenizer: save_file({"a": torch.zeros(100)}, folder / "model.safetensors"),
    "torch": lambda folder, tokenizer: torch.save(torch.zeros(100), folder / "optimizer.pt"),
    "tokenizers": lambda folder, tokenizer: tokenizer.save_pretrained(folder),
    "python": lambda folder, tokenizer: (folder / "a.json").write_text("1" * 1000),
}


@pytest.mark.parametrize("library", WRITERS)
def test_folder_that_cannot_be_written_is_named_and_left_as_it_was(library, tokenizer, tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    with pytest.raises(OSError, match="adapter") as raised, small_files(), replace_directory(folder) as temporary:
        WRITERS[library](temporary, tokenizer)
    assert raised.value.filename == str(folder)
    # torch does not say why
    assert raised.value.errno == (errno.EIO if library == "torch" else errno.EFBIG)
    assert [path.name for path in tmp_path.rglob("*")] == ["adapter"]


def test_what_is_wrong_elsewhere_or_with_the_code_keeps_its_own_name(tmp_path):
    for error in (
        PermissionError(errno.EACCES, "denied", "elsewhere"),
        FileNotFoundError(errno.ENOENT, os.strerror(2)),
    ):
        with pytest.raises(type(error)) as raised, refuse_unwritable(tmp_path / "adapter"):
            raise error
        assert raised.value is error
    with pytest.raises(ValueError, match="a bug"), refuse_unwritable(tmp_path / "adapter"):
        raise ValueError("a bug")
