"""Under `ulimit -v`, decode takes fewer rows at once and writes the same, but for what rounding decides; what does not
fit is said in one line."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest
from builders import ROOT, dump_params
from ruamel.yaml import YAML

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space"),
]
# so many candidates of each document that memory binds
MANY = {"many": {"do_sample": True, "num_return_sequences": 200}}
# what a stage imports is in memory before the limit holds, for its size is not what is tested
LIMITED = """
import resource, sys
import accelerate, pandas, peft, psutil, pyarrow.parquet, torch, transformers
from transformers import GPTJForCausalLM, Trainer
from pipeline.cli.app import app
from pipeline.decoding.engine import SharedPrefixEngine
begin = SharedPrefixEngine.__init__
def tell(engine, *given, **named):
    begin(engine, *given, **named)
    print("rows", engine.plan.max_rows)
SharedPrefixEngine.__init__ = tell
if room := int(sys.argv.pop(1)):
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + room * 2**20, resource.RLIM_INFINITY))
app()
"""


@pytest.fixture
def run(plain, tmp_path):
    """Runs a stage in the folder with so many MiB to take; status, output, rows in flight, and what it left."""
    source, _ = plain
    folder = tmp_path / "plain"
    shutil.copytree(source, folder)
    values = YAML(typ="safe", pure=True).load((folder / "params.yaml").read_text())
    changes = {"decode.grid": MANY, "decode.untuned": False, "decode.few_shot": 0}
    dump_params(values, changes, folder / "params.yaml")

    def run(stage, room):
        shutil.rmtree(folder / ".yoyak", ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(room), stage],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
        rows = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("rows ")]
        return done.returncode, done.stdout, rows, folder / "predictions/valid.parquet"

    return run


def test_decode_takes_fewer_rows_and_writes_the_same(run):
    status, said, (most,), written = run("decode", 0)
    assert status == 0, said
    wanted = pd.read_parquet(written)
    status, said, (fewer,), written = run("decode", 700)
    assert status == 0, said
    assert fewer < most
    differs = (pd.read_parquet(written) != wanted).any(axis=1)
    # a product of fewer rows is rounded otherwise, and of a hundred thousand draws one may lie between the two
    assert len(wanted) == 4800
    assert differs.sum() <= 5


@pytest.mark.parametrize(("stage", "room"), [("decode", 60), ("train", 300)])
def test_too_little_memory_is_one_line(run, stage, room):
    status, said, _, _ = run(stage, room)
    assert status == 2, said
    (line,) = said.splitlines()
    assert "out of memory" in line or "can't start new thread" in line or "worker thread" in line
    assert "Traceback" not in said
