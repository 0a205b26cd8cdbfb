"""Who starts processes, and who writes."""

import os
import subprocess

from pipeline.models import processes
from pipeline.models.processes import join_processes, launch_processes, needs_processes


def test_processes_are_started_once(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert needs_processes(2)
    assert not needs_processes(1)
    assert join_processes()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not needs_processes(2)


def test_processes_share_the_cores_unless_the_user_says_otherwise(monkeypatch):
    calls = []

    def run(command, check, env):
        calls.append((command, env["OMP_NUM_THREADS"]))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(processes.subprocess, "run", run)
    monkeypatch.setattr(processes.os, "cpu_count", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert launch_processes(4, ["decode", "--params", "p.yaml"]) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    launch_processes(4, ["decode"])
    assert [threads for _, threads in calls] == ["3", "5"]
    assert calls[0][0][-5:] == ["-m", "pipeline", "decode", "--params", "p.yaml"]
    assert "--nproc-per-node=4" in calls[0][0]
    assert "LOCAL_RANK" not in os.environ


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
