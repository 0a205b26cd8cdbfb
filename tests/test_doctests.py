"""Examples in docstrings say what the code says."""

import doctest
from importlib import import_module

import pytest
from builders import ROOT

FILES = [path for path in sorted((ROOT / "pipeline").rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_examples_give_what_they_say(path):
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
