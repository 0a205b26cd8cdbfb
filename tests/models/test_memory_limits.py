"""Memory that is free, as the machine, its container and `ulimit -v` have it."""

import resource
import subprocess
import sys

import psutil
import pytest
from builders import ROOT

from pipeline.models import memory_limits
from pipeline.models.memory_limits import get_free_main_memory


@pytest.fixture
def control(tmp_path, monkeypatch):
    """Writes the files of a control group; says in which one this process is."""
    monkeypatch.setattr(memory_limits, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_limits, "OWN", tmp_path / "own")

    def write(own, folder=".", **files):
        (tmp_path / "own").write_text(own)
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / folder / name.replace("__", ".")).write_text(content)

    return write


def test_container_of_today_binds_and_its_cache_does_not_count(control):
    control("0::/\n", memory__max="3000\n", memory__current="2500\n", memory__stat="anon 1\ninactive_file 700\n")
    assert get_free_main_memory() == 1200


def test_outer_group_binds_too(control):
    control("0::/a/b\n", "a/b", memory__max="max\n", memory__current="5\n", memory__stat="")
    control("0::/a/b\n", "a", memory__max="900\n", memory__current="1000\n", memory__stat="")
    assert get_free_main_memory() == 0


def test_first_version_of_control_groups_is_known(control):
    own = "9:cpu:/x\n4:memory:/docker/abc\n0::/\n"
    # as a container sees it, whose path is the one outside
    control(
        own,
        "memory",
        memory__limit_in_bytes="4000",
        memory__usage_in_bytes="100",
        memory__stat="total_inactive_file 50",
    )
    assert get_free_main_memory() == 3950


def test_without_limits_it_is_the_machines(control):
    control("0::/\n", memory__max="max\n", memory__current="2500\n", memory__stat="")
    assert get_free_main_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="this system limits no address space")
def test_limit_of_the_shell_binds():
    code = """
import resource, psutil
from pipeline.models.memory_limits import get_free_main_memory
get_free_main_memory()
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 5 * 2**20, resource.RLIM_INFINITY))
print(get_free_main_memory() / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(5, abs=1)
