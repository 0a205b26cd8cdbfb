"""Two runs of one key: one trains, the other waits and takes what it made."""

import threading

import pytest

from pipeline.training import runs
from pipeline.training.runs import hold_run


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a run in a thread and a workspace of its own; it trains when it must, and ends when it is told to."""
    waiting = threading.Semaphore(0)
    monkeypatch.setattr(runs, "announce", lambda line: waiting.release())

    class Run(threading.Thread):
        def __init__(self, name, error=None):
            super().__init__()
            self.outputs = [tmp_path / name / "adapter", tmp_path / name / "train.json"]
            self.error, self.taken, self.trains, self.told = error, None, threading.Event(), threading.Event()
            self.start()

        def run(self):
            try:
                with hold_run(tmp_path / "run", self.outputs) as self.taken:
                    self.trains.set()
                    self.told.wait()
                    # still there, whatever the others did
                    assert (tmp_path / "run").is_dir()
                    if self.error:
                        raise self.error
                    if not self.taken:
                        self.outputs[0].mkdir(parents=True)
                        (self.outputs[0] / "weights").write_text(self.outputs[0].parent.name)
                        self.outputs[1].write_text("{}")
            except KeyboardInterrupt:
                pass

        def end(self):
            self.trains.wait()
            self.told.set()
            self.join()

    started: list[Run] = []

    def start(*args):
        started.append(Run(*args))
        return started[-1]

    yield start, waiting
    assert not any(run.is_alive() for run in started)


def test_run_alone_removes_its_folder(start, tmp_path):
    run, _ = start
    first = run("first")
    first.end()
    assert first.taken is False
    assert not (tmp_path / "run").exists()


def test_who_waited_takes_the_result_and_the_last_one_removes_the_folder(start, tmp_path):
    run, waiting = start
    first = run("first")
    first.trains.wait()
    others = [run("second"), run("third")]
    for _ in others:
        waiting.acquire()
    first.end()
    for other in others:
        other.told.set()
    for other in others:
        other.join()
        assert other.taken
        assert (other.outputs[0] / "weights").read_text() == "first"
        assert other.outputs[1].read_text() == "{}"
    assert not (tmp_path / "run").exists()


def test_who_waited_goes_on_where_a_killed_run_stopped(start, tmp_path):
    run, waiting = start
    first = run("first", KeyboardInterrupt())
    first.trains.wait()
    (tmp_path / "run/checkpoint-3").mkdir()
    second = run("second")
    waiting.acquire()
    first.end()
    second.trains.wait()
    assert second.taken is False
    assert (tmp_path / "run/checkpoint-3").is_dir()
    second.end()


def test_result_that_nobody_came_for_is_not_taken(start, tmp_path):
    run, _ = start
    (tmp_path / "run/result/outputs").mkdir(parents=True)
    # of a process that was killed
    (tmp_path / "run/waiting-x").mkdir()
    first = run("first")
    first.end()
    assert first.taken is False
    assert not (tmp_path / "run").exists()
