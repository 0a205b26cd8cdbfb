"""Several processes for one command: started here, or by `accelerate launch` or `torchrun`.

Accelerate connects them (NCCL between GPUs, gloo between CPUs). Rank 0 writes; the others compute their share.
"""

import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.devices import select_device

if TYPE_CHECKING:
    from pipeline.params.model_sections import ModelParams

# how long a process waits for the slowest one: torch's half an hour is less than a long document list takes
PATIENCE = timedelta(days=2)


def needs_processes(processes: int) -> bool:
    """Whether this process should start the others; under `accelerate launch` or `torchrun` they run already."""
    return processes > 1 and not is_launched()


def is_launched() -> bool:
    """Whether this process is one that `launch_processes`, `accelerate launch` or `torchrun` started."""
    return "LOCAL_RANK" in os.environ


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
    if not is_launched():
        return True
    from accelerate import PartialState

    # not told that there is no GPU, Accelerate takes each of these processes for the only one
    return PartialState(cpu=select_device() != "cuda", timeout=PATIENCE).is_main_process


def count_processes() -> int:
    """How many processes `join_processes` connected, this one among them."""
    from torch import distributed

    return distributed.get_world_size() if distributed.is_initialized() else 1


def tell_all(value: Any) -> Any:
    """The value of the process that writes, for every one; all must call this."""
    if count_processes() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


def refuse_spread_weights(params: "ModelParams") -> None:
    """Raises InputError where a launcher started several processes for weights that one of them must hold.

    Accelerate refuses to train them; with `train.processes`, params.yaml is refused already.
    """
    key = "device_map" if params.device_map else "quantization" if params.quantization else None
    if key and count_processes() > 1:
        raise InputError(
            f"model.{key}: {getattr(params, key)} weights are trained by one process, not by {count_processes()}"
        )
