"""Ctrl-C, SIGTERM, and two at once; and what a disk that rots or a clock that jumps leaves in caches and checkpoints."""

import os
import shutil
import signal
import time

import pytest
from faults.projects import SUBMISSION, kill, remove

pytestmark = pytest.mark.faults
DATA = "data/sample/train.csv"


def check(project, wanted):
    """Everything is as the uninterrupted run left it, and nobody works on."""
    found = project.digest()
    assert {name for name in wanted | found if wanted.get(name) != found.get(name)} == set()
    assert project.list_processes() == []


def wait_until(is_so, process):
    while not is_so():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "name", "status"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)]
)
@pytest.mark.parametrize(
    ("stage", "processes"), [("train", 1), ("train", 2), ("decode", 1), ("decode", 2), ("score", 1)]
)
def test_stop_is_one_line_and_ends_all_processes(finished, stage, processes, number, name, status):
    project, seconds, wanted = finished
    project.forget([stage])
    params = project.folder / "params.yaml"
    before = params.read_text()
    # explore trains as train does, so both have as many
    for section in (stage, "explore") if stage == "train" else (stage,):
        changed = params.read_text()
        at = changed.index("  processes: 1", changed.index(f"\n{section}:\n"))
        params.write_text(f"{changed[:at]}  processes: {processes}{changed[at + len('  processes: 1') :]}")
    command = ("python", "-m", "pipeline", stage)
    try:
        process = project.start(*command)
        # when it reads or computes already; a person's Ctrl-C comes at any moment, so imports are a moment too
        time.sleep(0.6 * seconds[stage])
        wait_until(lambda: len(project.list_processes()) >= (1 if processes == 1 else processes + 1), process)
        kill(process, number)
        said = project.log.read_text()
        assert said.splitlines()[-1] == f"stopped by {name}; no file is half-written, and the same command goes on"
        assert said.count("stopped by") == 1
        assert "Traceback" not in said
        assert process.returncode == status
        time.sleep(0.3)
        assert project.list_processes() == []
    finally:
        params.write_text(before)
    project.run("dvc", "repro")
    check(project, wanted)


def test_ctrl_c_ends_dvc_too(finished):
    project, _, wanted = finished
    project.forget(["train"])
    process = project.start("dvc", "repro")
    project.wait_for("Running stage 'train'", process)
    wait_until(lambda: list(project.folder.glob(".yoyak/train/*/checkpoint-*")), process)
    kill(process, signal.SIGINT)
    said = project.log.read_text()
    assert "stopped by Ctrl-C; no file is half-written" in said
    assert "Traceback" not in said
    assert project.list_processes() == []
    project.run("dvc", "repro")
    check(project, wanted)


def test_second_repro_is_told_of_the_first_and_damages_nothing(finished):
    project, _, wanted = finished
    project.forget(["train"])
    first = project.start("dvc", "repro")
    project.wait_for("Running stage 'train'", first)
    log, project.log = project.log, project.folder / ".yoyak-second"
    second = project.start("dvc", "repro")
    assert second.wait() != 0
    said = project.log.read_text()
    assert "busy" in said or "lock" in said
    project.log.unlink()
    project.log = log
    assert first.wait() == 0, log.read_text()
    check(project, wanted)


@pytest.mark.parametrize("stage", ["preprocess", "train", "decode", "export"])
def test_two_of_one_stage_at_once_write_what_one_writes(finished, stage):
    project, _, wanted = finished
    project.forget([stage])
    command = ("python", "-m", "pipeline", stage)
    first, second = project.start(*command), project.start(*command)
    assert (first.wait(), second.wait()) == (0, 0)
    assert project.digest([stage]) == {
        name: digest for name, digest in wanted.items() if name in project.digest([stage])
    }
    project.run("dvc", "repro")
    check(project, wanted)


def test_scratch_of_another_version_is_left_alone(finished):
    project, _, wanted = finished
    project.forget(["train"])
    # a run of other params, code or packages has another key
    old = project.folder / ".yoyak/train/0123456789abcdef/checkpoint-12"
    old.mkdir(parents=True)
    (old / "trainer_state.json").write_text("{}")
    (old / "adapter_model.safetensors").write_text("of another version")
    (project.folder / ".yoyak/candidates").mkdir()
    (project.folder / ".yoyak/candidates/0123456789abcdef.sqlite").write_text("of another version")
    project.run("dvc", "repro")
    assert (old / "adapter_model.safetensors").read_text() == "of another version"
    remove(project.folder / ".yoyak")
    check(project, wanted)


def test_checkpoint_cut_short_is_passed_over(finished):
    project, _, wanted = finished
    project.forget(["train"])
    process = project.start("dvc", "repro")
    wait_until(lambda: list(project.folder.glob(".yoyak/train/*/checkpoint-*/trainer_state.json")), process)
    kill(process)
    (state,) = project.folder.glob(".yoyak/train/*/checkpoint-*/trainer_state.json")
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    project.run("dvc", "repro")
    check(project, wanted)


def test_damaged_checkpoint_is_named_and_the_run_goes_on_without_it(finished):
    project, _, wanted = finished
    project.forget(["train"])
    process = project.start("dvc", "repro")
    wait_until(lambda: list(project.folder.glob(".yoyak/train/*/checkpoint-*/trainer_state.json")), process)
    kill(process)
    for checkpoint in project.folder.glob(".yoyak/train/*/checkpoint-*"):
        path = checkpoint / "optimizer.pt"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said = project.run("python", "-m", "pipeline", "train", status=2)
    (line,) = [one for one in said.splitlines() if "cannot be read" in one]
    assert "checkpoint-" in line
    assert "Traceback" not in said
    for checkpoint in project.folder.glob(".yoyak/train/*/checkpoint-*"):
        shutil.rmtree(checkpoint)
    project.run("dvc", "repro")
    check(project, wanted)


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("train", "data/processed/train.parquet"),
        ("rank", "predictions/valid.parquet"),
        ("refine", "predictions/explored.parquet"),
        ("score", "predictions/likelihoods.parquet"),
        ("report", "predictions/scores.parquet"),
        ("export", "predictions/test.parquet"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_table_is_refused_by_name(finished, stage, name, damage):
    project, _, wanted = finished
    path = project.folder / name
    content = path.read_bytes()
    path.unlink()
    middle = len(content) // 2
    path.write_bytes(content[:middle] if damage == "cut" else flip(content, middle))
    said = project.run("python", "-m", "pipeline", stage, status=2) if damage == "cut" else ""
    if said:
        assert [line for line in said.splitlines() if line.startswith(name)] == said.splitlines()
    # DVC sees that it is not what its stage wrote, and puts it back or makes it again
    project.run("dvc", "repro")
    check(project, wanted)


def flip(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def test_flipped_bits_in_remembered_candidates_are_decoded_again(finished):
    project, _, wanted = finished
    project.forget(["decode", "predict"])
    project.run("dvc", "repro")
    for path in project.folder.glob(".yoyak/candidates/*.sqlite"):
        content = bytearray(path.read_bytes())
        # all over it, but for the header by which it is known
        for place in range(200, len(content), 997):
            content[place] ^= 0x10
        path.write_bytes(content)
    scratch = project.folder / ".yoyak"
    kept = project.folder / "kept"
    scratch.rename(kept)
    project.forget(["decode", "predict"])
    kept.rename(scratch)
    project.run("dvc", "repro")
    check(project, wanted)


def test_submission_of_before_stays_until_the_new_one_is_there(finished):
    project, _, _ = finished
    before = (project.folder / SUBMISSION).read_bytes()
    table = project.folder / "predictions/test.parquet"
    content = table.read_bytes()
    table.unlink()
    table.write_bytes(content[:100])
    project.run("python", "-m", "pipeline", "export", status=2)
    assert (project.folder / SUBMISSION).read_bytes() == before
    table.write_bytes(content)
    assert os.path.getsize(table) == len(content)
