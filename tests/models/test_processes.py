"""Who starts processes, and who writes."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from builders import ROOT

from pipeline.models import processes
from pipeline.models.processes import join_processes, launch_processes, needs_processes


def test_processes_are_started_once(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert needs_processes(2)
    assert not needs_processes(1)
    assert join_processes()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not needs_processes(2)


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """Runs a piece of code instead of the pipeline in so many processes; the exit status."""

    def launch(code, processes=2):
        (tmp_path / "pipeline.py").write_text("import os, sys, time\n" + code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return launch_processes(processes, ["decode"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processes, "GRACE", 0.5)
    return launch


def test_processes_share_the_cores_unless_the_user_says_otherwise(launch, monkeypatch, capfd):
    show = "print(os.environ['OMP_NUM_THREADS'], sys.argv[1:])"
    monkeypatch.setattr(processes.os, "cpu_count", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert launch(show, 4) == 0
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    launch(show, 4)
    # all have the same to say, and one says it
    assert capfd.readouterr().out.splitlines() == ["3 ['decode']", "5 ['decode']"]
    assert "LOCAL_RANK" not in os.environ


@pytest.mark.slow
def test_processes_find_one_another(launch, tmp_path):
    """Slow: two processes import torch."""
    code = """
from torch import distributed
distributed.init_process_group("gloo")
open(f"{distributed.get_rank()} of {distributed.get_world_size()}", "w")
"""
    assert launch(code) == 0
    assert {"0 of 2", "1 of 2"} <= {path.name for path in tmp_path.iterdir()}


def test_mistake_that_all_find_is_said_once_with_its_status(launch, capfd):
    assert launch("print('no such file', file=sys.stderr); sys.exit(2)") == 2
    assert capfd.readouterr().err == "no such file\n"


def test_process_that_fails_alone_is_heard_and_the_others_are_stopped(launch, capfd):
    fail = "print('out of memory', file=sys.stderr); sys.exit(2)"
    assert launch(f"if os.environ['RANK'] == '1': {fail}\ntime.sleep(60)") == 2
    assert capfd.readouterr().err == "out of memory\n"
    assert launch("if os.environ['RANK'] == '0': time.sleep(60)\nos.kill(os.getpid(), 9)") == 128 + 9
    assert capfd.readouterr().err == "process 2 of 2 was killed by signal 9\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with the one that started it")
# the two that say something end them in one way
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_processes_end_with_the_one_that_started_them(tmp_path, number):
    (tmp_path / "pipeline.py").write_text("import os, time\nopen(f'pid-{os.getpid()}', 'w')\ntime.sleep(60)")
    code = "from pipeline.models.processes import launch_processes; launch_processes(2, [])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    # this process finds the real package, those that it starts the file above
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"
    parent = subprocess.Popen([sys.executable, "-c", start], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    while len(children := [int(p.name[4:]) for p in tmp_path.glob("pid-*")]) < 2:
        assert parent.poll() is None
        time.sleep(0.01)
    parent.send_signal(number)
    parent.wait()
    deadline = time.monotonic() + 5
    while any(map(psutil.pid_exists, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(psutil.pid_exists, children))


def test_accelerate_is_told_of_gpus_and_so_sets_the_device_of_a_process(monkeypatch):
    import accelerate

    told = []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(
        accelerate, "PartialState", lambda **given: told.append(given) or type("S", (), {"is_main_process": False})
    )
    for device, cpu in (("cuda", False), ("cpu", True)):
        monkeypatch.setattr(processes, "select_device", lambda device=device: device)
        assert join_processes() is False
        assert told[-1]["cpu"] is cpu
