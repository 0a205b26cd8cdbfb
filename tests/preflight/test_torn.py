"""What DVC leaves half-written is told and set aside; what it can read stays, and what it is writing too."""

import pytest
from dvc.repo import Repo

from pipeline.errors import InputError
from pipeline.paths import DVC_LOCK, RWLOCK, TORN
from pipeline.preflight.torn import find_torn, set_aside_torn

WHOLE = b"schema: '2.0'\nstages:\n  export:\n    cmd: c\n    outs:\n    - path: a\n      md5: abcd\n"
HELD = b'{"write": {}, "read": {}}'


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    # which it would be tried for again for three seconds
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0)


@pytest.mark.parametrize("lock", [b"", WHOLE[:-8], WHOLE[:20]], ids=["empty", "within a key", "within a section"])
def test_what_was_cut_short_is_set_aside_as_it_is(project, lock):
    DVC_LOCK.write_bytes(lock)
    RWLOCK.write_bytes(HELD[:10])
    assert find_torn() == set_aside_torn() == [DVC_LOCK, RWLOCK]
    assert [path.exists() for path in (DVC_LOCK, RWLOCK)] == [False, False]
    assert [(TORN / path.name).read_bytes() for path in (DVC_LOCK, RWLOCK)] == [lock, HELD[:10]]


def test_what_is_whole_stays(project):
    DVC_LOCK.write_bytes(WHOLE)
    RWLOCK.write_bytes(HELD)
    assert find_torn() == set_aside_torn() == []
    assert [path.read_bytes() for path in (DVC_LOCK, RWLOCK)] == [WHOLE, HELD]


def test_what_a_dvc_at_work_writes_stays(project):
    DVC_LOCK.write_bytes(b"")
    with Repo(".") as repo, repo.lock:
        assert set_aside_torn() == []
    assert DVC_LOCK.exists()
    assert set_aside_torn() == [DVC_LOCK]


def test_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    DVC_LOCK.write_bytes(b"")
    with pytest.raises(InputError, match="is no DVC project"):
        set_aside_torn()
