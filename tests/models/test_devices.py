"""What this machine is."""

import platform
import subprocess
import sys

import pytest
from builders import ROOT

from pipeline.models.devices import get_free_memory

# a large block, taken and given back: what the process still holds of it, in bytes
HELD = """
import psutil
from pipeline.models.devices import set_up_memory
{}
before = psutil.Process().memory_info().rss
block = bytearray(b"1" * 24_000_000)
del block
print(psutil.Process().memory_info().rss - before)
"""


def test_free_memory_is_known_on_a_cpu():
    assert get_free_memory("cpu") > 10**8


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives large blocks back at once")
def test_freed_memory_is_kept_when_asked():
    def measure(first):
        command = [sys.executable, "-c", HELD.format(first)]
        return int(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)

    assert measure("") < 5 * 10**6
    assert measure("set_up_memory()") > 2 * 10**7


def test_trainer_alone_takes_one_of_several_gpus(make_params, tmp_path, monkeypatch):
    from transformers import TrainingArguments

    from pipeline.stages.pretrain import build_pretraining_arguments
    from pipeline.training.arguments import build_arguments

    finish = TrainingArguments.__post_init__

    def see_two_gpus(arguments):
        finish(arguments)
        arguments._n_gpu = 2

    monkeypatch.setattr(TrainingArguments, "__post_init__", see_two_gpus)
    params = make_params()
    for arguments in (
        build_arguments(params.train, "fp32", tmp_path, 1),
        build_pretraining_arguments(params.pretrain, "fp32", tmp_path, 1),
    ):
        assert arguments.n_gpu == 1
        assert arguments.train_batch_size == arguments.per_device_train_batch_size
