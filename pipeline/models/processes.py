"""Several processes for one command: started here, or by `accelerate launch` or `torchrun`.

Accelerate connects them (NCCL between GPUs, gloo between CPUs). Rank 0 writes; the others compute their share.
"""

import os
import subprocess
import sys
from datetime import timedelta

from pipeline.models.devices import select_device

# how long a process waits for the slowest one: torch's half an hour is less than a long document list takes
PATIENCE = timedelta(days=2)


def needs_processes(processes: int) -> bool:
    """Whether this process should start the others; under `accelerate launch` or `torchrun` they run already."""
    return processes > 1 and "LOCAL_RANK" not in os.environ


def launch_processes(processes: int, arguments: list[str]) -> int:
    """Runs `python -m pipeline ARGUMENTS` in several processes of this machine that work together; the exit status."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    # left to itself, torchrun gives each process one thread
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    environment = {"OMP_NUM_THREADS": threads, **os.environ}
    return subprocess.run([*command, "-m", "pipeline", *arguments], check=False, env=environment).returncode


def join_processes() -> bool:
    """Connects to the other processes of this command, if there are any; whether this is the one that writes.

    On GPUs each process is given its own: to be called before a model is loaded.
    """
    if "LOCAL_RANK" not in os.environ:
        return True
    from accelerate import PartialState

    # not told that there is no GPU, Accelerate takes each of these processes for the only one
    return PartialState(cpu=select_device() != "cuda", timeout=PATIENCE).is_main_process
