"""SIGKILL to the whole process group, at random moments of every stage: `dvc repro` ends in the same bytes.

`make test-faults` runs it; FAULT_SEED draws other moments. A stage that is killed has to run in earnest, so DVC's lock,
its run-cache and the scratch root forget it first.
"""

import os
import random
import time

import pytest
from faults.projects import GROWING, STAGES, kill

pytestmark = pytest.mark.faults
SEED = int(os.environ.get("FAULT_SEED", "19"))
ALL = "all"
# of each five kills of a stage three come at any moment and two while it writes; and some come anywhere in the chain
PLAN = [(stage, is_writing) for stage in STAGES for is_writing in (False, False, False, True, True)]
PLAN += [(ALL, is_writing) for is_writing in (False, False, False, True, True)]
# so many milliseconds at most pass between a file's change and the kill
AFTER = 0.03


@pytest.mark.parametrize(("number", "stage", "is_writing"), [(n, *what) for n, what in enumerate(PLAN)])
def test_killed_run_goes_on_to_the_same_bytes(finished, number, stage, is_writing, capsys):
    project, seconds, wanted = finished
    draw = random.Random(f"{SEED} {number}")
    killed = [*STAGES] if stage == ALL else [stage]
    longest = sum(seconds[one] for one in killed)
    while True:
        project.forget(killed)
        process, begun = project.start("dvc", "repro"), time.monotonic()
        project.wait_for(f"Running stage '{killed[0]}'", process)
        wait_for_moment(project, process, draw, longest, is_writing)
        lived, is_alive = time.monotonic() - begun, process.poll() is None
        if is_alive:
            kill(process)
            mended = project.run("python", "-m", "pipeline", "mend")
            with capsys.disabled():
                print(f"\n{mended}", end="")
        # DVC may outlive the last of the stages by a moment
        if is_alive and not project.remembers(killed):
            break
        # it was faster than before
        longest *= 0.8
    with capsys.disabled():
        print(
            f"\nkill {number}, seed {SEED}: {stage} {'while it writes' if is_writing else 'at any moment'}, {lived:.1f} s"
        )
    check_names(project, killed, wanted)
    again = project.run("dvc", "repro")
    # DVC puts what a stage made into its run-cache before it writes its lock
    assert "Running stage" in again or "is cached" in again
    found = project.digest()
    assert {name for name in wanted | found if wanted.get(name) != found.get(name)} == set()
    assert project.list_scratch() == []


def wait_for_moment(project, process, draw, longest, is_writing):
    """Waits for a share of the time that the stages took; or for a few changes of files, and some milliseconds."""
    if not is_writing:
        time.sleep(draw.random() * longest)
        return
    last, changes = project.scan(), draw.randint(1, 6)
    while changes and process.poll() is None:
        now = project.scan()
        changes -= now != last
        last = now
        time.sleep(0.001)
    time.sleep(draw.random() * AFTER)


def check_names(project, killed, wanted):
    """No process lives on, and under its real name a file or folder is not there, or is whole."""
    deadline = time.monotonic() + 5
    while (alive := project.list_processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive == []
    found = project.digest(killed)
    assert {name for name in found if found[name] != wanted.get(name)} - {*GROWING} == set()
    for folder in ("models/base", "models/adapter", "models/refined"):
        if (project.folder / folder).exists():
            whole = {name for name in wanted if name.startswith(f"{folder}/")}
            assert {name for name in project.digest() if name.startswith(f"{folder}/")} == whole
