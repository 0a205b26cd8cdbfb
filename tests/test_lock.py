"""requirements.lock, constraints.txt, pyproject.toml and what is installed say the same; `make lock` makes them agree."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

from builders import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ADVICE = "make lock"
# torch's builds differ from machine to machine; these come with those for GPUs
OPEN = ("torch", "triton", "nvidia-", "cuda-")


def read_pins(name):
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in found}


def test_lock_pins_what_constraints_pin_each_with_hashes():
    lock, constraints = read_pins("requirements.lock"), read_pins("constraints.txt")
    assert "torch" in constraints
    assert {name for name in lock if name.startswith(OPEN)} == set(), ADVICE
    assert {name: lock[name] for name in lock.keys() & constraints} == {
        name: constraints[name] for name in lock.keys() & constraints
    }, ADVICE
    blocks = re.split(r"\n(?=\w)", (ROOT / "requirements.lock").read_text())
    assert len(blocks) == len(lock)
    assert [block for block in blocks if not re.search(r" \\\n    --hash=sha256:[0-9a-f]{64}", block)] == []


def test_everything_that_is_needed_here_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])]
    lock, needed = read_pins("requirements.lock"), set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), requirement.extras or {""}
        if (name, *sorted(extras)) in needed or name.startswith(OPEN[1:]):
            continue
        needed.add((name, *sorted(extras)))
        try:
            requires = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        found = map(Requirement, requires)
        waiting += [
            one for one in found if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras)
        ]
    names = {name for name, *_ in needed} - {"torch"}
    assert len(names) > 100
    assert names - lock.keys() == set(), ADVICE
    # and nothing comes that pins do not cover
    assert names - read_pins("constraints.txt").keys() == set()
