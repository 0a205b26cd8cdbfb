"""Several processes for one command: started here, or by `accelerate launch` or `torchrun`.

Accelerate connects them (NCCL between GPUs, gloo between CPUs). Rank 0 writes; the others compute their share.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.models.devices import select_device

if TYPE_CHECKING:
    from pipeline.params.model_sections import ModelParams

# how long a process waits for the slowest one: torch's half an hour is less than a long document list takes
PATIENCE = timedelta(days=2)
# seconds between two looks at the processes; and that the others are given to fail by themselves after one has
POLL, GRACE = 0.05, 2.0


def needs_processes(processes: int) -> bool:
    """Whether this process should start the others; under `accelerate launch` or `torchrun` they run already."""
    return processes > 1 and not is_launched()


def is_launched() -> bool:
    """Whether this process is one that `launch_processes`, `accelerate launch` or `torchrun` started."""
    return "LOCAL_RANK" in os.environ


def launch_processes(processes: int, arguments: list[str]) -> int:
    """Runs `python -m pipeline ARGUMENTS` in several processes of this machine that work together; the exit status.

    They live no longer than this process, and none of them longer than the first that fails. They leave Ctrl-C to this
    one. All have the same to say, so the first of them speaks; what another one said that failed alone is said in the
    end.
    """
    # left to itself, each process would take all cores
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    with socket.socket() as held, ExitStack() as stack:
        # bound for as long as they run, and not listened on: the first process may listen there, and nobody else
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        shared = {"OMP_NUM_THREADS": threads, **os.environ, "WORLD_SIZE": str(processes)}
        shared |= {"LOCAL_WORLD_SIZE": str(processes)}
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(held.getsockname()[1])}
        said = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, processes))]
        started = []
        # whatever happens, a signal to this process among it
        stack.callback(_end, started)
        for rank, output in enumerate(said):
            environment = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            command = [sys.executable, "-m", "pipeline", *arguments]
            own = partial(_live_no_longer_than, os.getpid())
            started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output, preexec_fn=own))
        return _wait(started, said)


def _wait(started: "list[subprocess.Popen]", said: "Sequence[IO[bytes] | None]") -> int:
    """Waits until all have ended well, or one has not; its exit status."""
    while not any(statuses := [process.poll() for process in started]):
        if None not in statuses:
            return 0
        time.sleep(POLL)
    # one mistake stops all of them, each by itself
    deadline = time.monotonic() + GRACE
    while None in (statuses := [process.poll() for process in started]) and time.monotonic() < deadline:
        time.sleep(POLL)
    rank, status = next((n, status) for n, status in enumerate(statuses) if status)
    if (output := said[rank]) is not None:
        output.seek(0)
        sys.stderr.write(output.read().decode(errors="replace"))
    if status < 0:
        print(f"process {rank + 1} of {len(started)} was killed by signal {-status}", file=sys.stderr)
    # as a shell says it
    return status if status > 0 else 128 - status


def _end(started: "list[subprocess.Popen]") -> None:
    for process in started:
        process.kill()
        process.wait()


def _live_no_longer_than(parent: int) -> None:
    """In a new process, before its program: the system kills it when the one that started it dies (on Linux alone)."""
    import ctypes

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        death_signal = 1
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


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
