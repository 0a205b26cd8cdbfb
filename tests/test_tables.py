"""The tables between stages: checked reads, atomic writes."""

import errno
import os
import threading

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.tables import (
    CANDIDATES,
    LABELLED,
    PREDICTIONS,
    UNLABELLED,
    is_locked,
    load_bytes,
    load_json,
    load_record,
    load_table,
    lock_folder,
    save_bytes,
    save_csv,
    save_json,
    save_table,
)


@pytest.fixture
def candidates():
    return pd.DataFrame(
        {
            "id": ["a", "b"],
            "configuration": ["greedy", "greedy"],
            "candidate": [0, 0],
            "text": ["요약 하나", ""],
            "tokens": [3, 1],
            "finished": [True, False],
        }
    )


def as_rows(frame):
    """Values alone: parquet gives lists back as arrays."""
    return [
        [list(v) if hasattr(v, "__len__") and not isinstance(v, str) else v for v in row] for row in frame.to_numpy()
    ]


def test_labelled_table_comes_back_as_it_was(five_rows, tmp_path):
    five_rows.at[1, "summaries"] = ["하나", "둘\n줄"]
    save_table(five_rows, tmp_path / "t.parquet", LABELLED)
    back = load_table(tmp_path / "t.parquet", LABELLED)
    assert list(back.columns) == list(LABELLED)
    assert as_rows(back) == as_rows(five_rows)


def test_candidates_keep_their_types(candidates, tmp_path):
    save_table(candidates, tmp_path / "t.parquet", CANDIDATES)
    back = load_table(tmp_path / "t.parquet", CANDIDATES)
    assert as_rows(back) == as_rows(candidates)
    assert (back["tokens"].dtype, back["finished"].dtype) == ("int64", "bool")


@pytest.mark.parametrize("name", ["007", "1.0", "NA", "null", "", "가", "1e5"])
def test_ids_stay_the_text_that_they_are(tmp_path, name):
    save_table(pd.DataFrame({"id": [name], "text": ["본문"]}), tmp_path / "t.parquet", UNLABELLED)
    assert load_table(tmp_path / "t.parquet", UNLABELLED)["id"].tolist() == [name]


def test_only_the_named_columns_are_written_in_their_order(five_rows, tmp_path):
    save_table(five_rows[["summaries", "text", "id"]], tmp_path / "t.parquet", UNLABELLED)
    assert list(load_table(tmp_path / "t.parquet", UNLABELLED).columns) == ["id", "text"]


def test_empty_table_comes_back_empty(five_rows, tmp_path):
    save_table(five_rows.head(0), tmp_path / "t.parquet", LABELLED)
    assert len(load_table(tmp_path / "t.parquet", LABELLED)) == 0


def test_equal_frames_give_equal_bytes_however_they_were_made(five_rows, tmp_path):
    save_table(five_rows, tmp_path / "a.parquet", LABELLED)
    expected = (tmp_path / "a.parquet").read_bytes()
    others = {
        "again": five_rows.copy(),
        "objects": five_rows.astype(object),
        "other index": five_rows.set_index(pd.Index([9, 8, 7, 6, 5])),
        "put together": pd.concat([five_rows.iloc[:2], five_rows.iloc[2:]]),
        "read back": load_table(tmp_path / "a.parquet", LABELLED),
    }
    for how, frame in others.items():
        save_table(frame, tmp_path / "b.parquet", LABELLED)
        assert (tmp_path / "b.parquet").read_bytes() == expected, how


def test_where_a_long_frame_was_put_together_does_not_show(tmp_path):
    long = pd.DataFrame({"id": [f"a{n}" for n in range(5000)], "text": [f"본문 {n % 97}" for n in range(5000)]})
    parts = pd.concat([long.iloc[:777], long.iloc[777:]])
    for name, frame in (("a", long), ("b", parts)):
        save_table(frame, tmp_path / f"{name}.parquet", UNLABELLED)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_other_values_give_other_bytes(five_rows, tmp_path):
    save_table(five_rows, tmp_path / "a.parquet", UNLABELLED)
    save_table(five_rows.assign(text="다른 본문"), tmp_path / "b.parquet", UNLABELLED)
    assert (tmp_path / "a.parquet").read_bytes() != (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("read", [load_bytes, load_json, lambda path: load_table(path, UNLABELLED)])
def test_missing_file_is_refused_by_name(read, tmp_path):
    path = tmp_path / "none.parquet"
    with pytest.raises(InputError) as refusal:
        read(path)
    assert refusal.value.mistakes == [f"{path}: no such file"]


@pytest.mark.parametrize("read", [load_bytes, load_json, lambda path: load_table(path, UNLABELLED)])
def test_directory_is_refused_by_name(read, tmp_path):
    with pytest.raises(InputError) as refusal:
        read(tmp_path)
    assert refusal.value.mistakes == [f"{tmp_path}: is a directory, not a file"]


def test_path_through_a_file_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file/inside: cannot be read: Not a directory"):
        load_bytes(tmp_path / "file" / "inside")


def test_file_that_may_not_be_read_is_refused_with_the_reason(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(InputError, match=r"t\.parquet: cannot be read: Permission denied"):
        load_bytes(tmp_path / "t.parquet")


@pytest.mark.parametrize("content", [b"", b"id,text\na,b\n", b"PAR1PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"t\.parquet: is not a parquet file"):
        load_table(tmp_path / "t.parquet", UNLABELLED)


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_damaged_parquet_is_refused(five_rows, tmp_path, damage):
    path = tmp_path / "t.parquet"
    save_table(five_rows, path, LABELLED)
    content = path.read_bytes()
    # the middle holds the pages; the footer alone would still look right
    path.write_bytes(content[:-20] if damage == "cut" else content[:4] + b"\xff" * 60 + content[64:])
    with pytest.raises(InputError, match=r"t\.parquet: is not a parquet file"):
        load_table(path, LABELLED)


@pytest.mark.parametrize("columns", [LABELLED, PREDICTIONS, {"text": "string", "id": "string"}])
def test_other_columns_are_refused_and_named(five_rows, tmp_path, columns):
    save_table(five_rows, tmp_path / "t.parquet", UNLABELLED)
    with pytest.raises(InputError) as refusal:
        load_table(tmp_path / "t.parquet", columns)
    assert refusal.value.mistakes == [f"{tmp_path / 't.parquet'}: has columns ['id', 'text'], not {list(columns)}"]


def test_column_of_another_type_is_refused(candidates, tmp_path):
    candidates.assign(tokens=[1.5, 2.0]).to_parquet(tmp_path / "t.parquet", index=False)
    with pytest.raises(InputError, match=r"t\.parquet: .*1\.5"):
        load_table(tmp_path / "t.parquet", CANDIDATES)


def test_large_strings_of_other_programs_are_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"id": pa.array(["a"], pa.large_string()), "text": pa.array(["본문"], pa.large_string())})
    pq.write_table(table, tmp_path / "t.parquet")
    assert as_rows(load_table(tmp_path / "t.parquet", UNLABELLED)) == [["a", "본문"]]


@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("before", [b"old", None])
def test_failing_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, call, before):
    path = tmp_path / "metrics.json"
    if before:
        path.write_bytes(before)

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left") as raised:
        save_bytes(b"new", path)
    assert raised.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == (["metrics.json"] if before else [])
    assert not before or path.read_bytes() == before


def test_interrupted_write_leaves_nothing_beside_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_bytes(b"new", tmp_path / "a")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old"}


def test_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append(f"synced {os.fstat(handle).st_size}"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (calls.append("renamed"), replace(old, new)))
    save_bytes(b"12345", tmp_path / "a")
    assert calls[:2] == ["synced 5", "renamed"]


def test_table_that_cannot_be_written_leaves_the_old_one(five_rows, tmp_path):
    path = tmp_path / "t.parquet"
    save_table(five_rows, path, UNLABELLED)
    before = path.read_bytes()
    with pytest.raises(KeyError):
        save_table(five_rows.drop(columns="text"), path, UNLABELLED)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_bytes(b"x", tmp_path / "a")
        after = os.umask(umask)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    assert after == umask


def test_folders_are_made_and_the_file_replaced(tmp_path):
    path = tmp_path / "new" / "deep" / "a.bin"
    save_bytes(b"one, longer", path)
    save_bytes(b"two", path)
    assert path.read_bytes() == b"two"


def test_link_into_a_cache_is_replaced_and_its_target_left_alone(tmp_path):
    # DVC may link a result to its cache; writing through the link would change every revision's copy
    target, link = tmp_path / "cache", tmp_path / "result"
    target.write_bytes(b"cached")
    link.symlink_to(target)
    save_bytes(b"new", link)
    assert (target.read_bytes(), link.read_bytes()) == (b"cached", b"new")


def test_json_round_trips_and_shows_hangul(tmp_path):
    value = {"이름": "탐욕", "score": 0.5, "rows": [1, 2], "none": None}
    save_json(value, tmp_path / "m.json")
    assert load_json(tmp_path / "m.json") == value
    assert '"이름": "탐욕"' in (tmp_path / "m.json").read_text()
    assert (tmp_path / "m.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}}', b"\xff\xfe\xff"])
def test_what_is_no_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.json: is not JSON"):
        load_json(tmp_path / "m.json")


def test_csv_has_no_index_and_unix_line_ends(tmp_path):
    save_csv(pd.DataFrame({"name": ["greedy", 'a,"b"'], "score": [0.5, 1.0]}), tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == b'name,score\ngreedy,0.5\n"a,""b""",1.0\n'


def test_folder_is_held_by_one_at_a_time_even_when_its_holder_removes_it(tmp_path):
    folder, held, waits, inside = tmp_path / "held", threading.Event(), threading.Semaphore(0), []

    def take():
        held.wait()
        with lock_folder(folder, waits.release):
            inside.append(1)
            assert is_locked(folder)
            assert inside == [1]
            folder.rmdir()
            inside.pop()
        done.append(1)

    done, threads = [], [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    with lock_folder(folder, waits.release):
        assert not waits.acquire(blocking=False)
        held.set()
        for _ in threads:
            waits.acquire()
        assert is_locked(folder)
        assert not inside
    for thread in threads:
        thread.join()
    assert done == [1] * 3
    assert not is_locked(folder)


def test_folder_that_vanishes_before_it_is_held_is_made_again(tmp_path, monkeypatch):
    folder, opened = tmp_path / "held", []

    def open_late(path, flags):
        if not opened:
            folder.rmdir()
        opened.append(path)
        return own(path, flags)

    own = os.open
    monkeypatch.setattr("pipeline.tables.os.open", open_late)
    with lock_folder(folder):
        assert folder.is_dir()
    assert len(opened) == 2


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "{}", "1"])
def test_what_a_stage_did_not_write_is_refused_by_name(tmp_path, content):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InputError, match=r"m\.json: is not (JSON|what its stage writes)"):
        load_record(tmp_path / "m.json", "name")


def test_text_that_is_no_utf8_is_refused_by_name(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    pq.write_table(pa.table({"id": broken, "text": broken}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: .*[Ii]nvalid UTF-?8"):
        load_table(tmp_path / "t.parquet", UNLABELLED)
