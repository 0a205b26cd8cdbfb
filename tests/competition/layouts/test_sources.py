"""Files, folders and zips that params name: which there are, and what is never read."""

import zipfile

import pytest
from layout_files import KoreanName, zip_files

from pipeline.competition.layouts.sources import list_files, list_paths
from pipeline.errors import InputError


def refuse(folder, names):
    with pytest.raises(InputError) as refusal:
        list_files(str(folder), names)
    return refusal.value.mistakes


def test_a_folder_is_read_in_the_order_of_names_and_what_is_no_data_is_passed_over(tmp_path):
    for name in ("b/2.json", "b/1.json", "a.csv", ".hidden/x.csv", "b/.x.json", "readme.md", "__MACOSX/a.csv"):
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_text("x")
    found = [str(path.relative_to(tmp_path / "all")) for path in list_paths(str(tmp_path), "all")]
    assert found == ["a.csv", "b/1.json", "b/2.json"]


def test_a_folder_inside_a_hidden_one_is_read(tmp_path):
    (tmp_path / ".cache/train").mkdir(parents=True)
    (tmp_path / ".cache/train/part.csv").write_text("x")
    assert [path.name for path in list_paths(str(tmp_path / ".cache"), "train")] == ["part.csv"]


def test_a_link_to_a_folder_is_refused_where_its_files_would_be_passed_over(tmp_path):
    for name in ("elsewhere/part.csv", "train/other.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x")
    (tmp_path / "train/part").symlink_to(tmp_path / "elsewhere")
    link = tmp_path / "train/part"
    assert refuse(tmp_path, "train") == [f"{link}: is a link to a folder; name that, or put its files here"]
    # by its own name it is a folder like any other
    assert [path.name for path in list_paths(str(tmp_path), "train/part")] == ["part.csv"]


def test_members_of_a_zip_stand_in_its_place(tmp_path):
    (tmp_path / "a.csv").write_text("first")
    members = {
        "폴더/나.json": "둘",
        "폴더/가.json": "하나",
        "../out.json": "밖",
        "/etc/x.json": "뿌리",
        "r.md": "",
        "d/": "",
    }
    (tmp_path / "TL.zip").write_bytes(zip_files(members, KoreanName))
    files = list_files(str(tmp_path), ["a.csv", "TL.zip"])
    names = [file.name.removeprefix(str(tmp_path / "TL.zip: ")) for file in files[1:]]
    assert sorted(names) == ["../out.json", "/etc/x.json", "폴더/가.json", "폴더/나.json"]
    assert [file.read().decode() for file in files] == ["first", "밖", "뿌리", "하나", "둘"]
    # whatever a member is called, nothing is unpacked
    assert sorted(path.name for path in tmp_path.parent.iterdir() if path.name == "out.json") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["TL.zip", "a.csv"]


def test_what_is_not_there_is_named_together(tmp_path):
    (tmp_path / "empty").mkdir()
    lines = refuse(tmp_path, ["gone.csv", "empty"])
    assert lines[0] == f"{tmp_path}/gone.csv: no such file" or lines[1] == f"{tmp_path}/gone.csv: no such file"
    assert len(lines) == 2
    (tmp_path / "a.csv").write_text("x")
    assert refuse(tmp_path, ["a.csv", "a.csv"]) == [f"{tmp_path}/a.csv: is named twice"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.json": "0" * 2**17, "b.json": "0" * 2**17}, "unpacks to 262,144 bytes, more than 100 times its own size"),
        ({"inner.zip": "PK"}, "inner.zip: is a zip in a zip; unpack the outer one"),
        ({"readme.md": "x"}, "holds no file of .csv, .json"),
    ],
)
def test_zips_that_are_no_data_are_refused_before_they_are_read(tmp_path, monkeypatch, members, message):
    monkeypatch.setattr("pipeline.competition.layouts.sources._UNPACKED", 2**16)
    (tmp_path / "t.zip").write_bytes(zip_files(members))
    (line,) = refuse(tmp_path, "t.zip")
    assert message in line


def test_a_damaged_zip_is_refused_by_member(tmp_path):
    from pipeline.competition.formats import Columns
    from pipeline.competition.layouts.frames import read_frame
    from pipeline.competition.layouts.reading import Reading

    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.jsonl", '{"id": "a", "text": "본문", "summary": "요약"}')
    content = (tmp_path / "t.zip").read_bytes()
    (tmp_path / "t.zip").write_bytes(content.replace(b'"id": "a"', b'"id": "b"'))
    with pytest.raises(InputError, match=r"t\.zip: a\.jsonl: is damaged and cannot be unpacked: Bad CRC-32"):
        read_frame(
            list_files(str(tmp_path), "t.zip"), Reading("auto", "auto", Columns("id", "text", "summary")), "train"
        )
    (tmp_path / "t.zip").write_bytes(b"PK no zip")
    assert refuse(tmp_path, "t.zip") == [f"{tmp_path}/t.zip: is no zip that can be read: File is not a zip file"]
