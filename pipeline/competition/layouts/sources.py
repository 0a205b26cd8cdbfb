"""The files that params name: one, a list, all of a folder, or the members of a zip, each read where it lies.

Nothing of a zip is ever written, so a member's name is a name and no path; and a zip that unpacks to far more than text
ever does is refused before it is read.
"""

import errno
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import InputError, and_more

if TYPE_CHECKING:
    import hashlib

SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".zip"})
# text packs to a fifth or a tenth; what unpacks to a hundred times its size, and to more than this, is no data
_RATIO, _UNPACKED = 100, 2**27


# what Python's reader of zips raises; a name that is no UTF-8, and a version that it does not know, among them
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, UnicodeDecodeError)


@dataclass(frozen=True)
class File:
    """A file or the member of a zip; `name` is what messages call it, `open` gives its bytes from the beginning."""

    name: str
    open: Callable[[], BinaryIO]

    def read(self) -> bytes:
        """All of it. Raises InputError if it cannot be read."""
        with refuse_damage(self.name), self.open() as stream:
            return stream.read()


@contextmanager
def refuse_damage(name: str) -> Iterator[None]:
    """Turns what a damaged zip raises while a member is read into InputError; what a disk says passes."""
    try:
        yield
    except _DAMAGE as error:
        raise InputError(f"{name}: is damaged and cannot be unpacked: {error}") from error
    except OSError as error:
        # an offset before the beginning; bzip2 has no exception of its own
        if error.errno not in (None, errno.EINVAL):
            raise
        raise InputError(f"{name}: is damaged and cannot be unpacked: {error}") from error


def name_files(files: Sequence[File]) -> str:
    """What a message calls some files: the first, and how many more.

    >>> name_files([build_file("a.csv", b""), build_file("b.csv", b"")])
    'a.csv (and 1 more)'
    """
    return f"{files[0].name}{and_more(len(files) - 1)}"


def build_file(name: str, content: bytes) -> File:
    """A file of bytes that are in memory already."""
    return File(name, partial(io.BytesIO, content))


def list_paths(folder: str, names: str | Sequence[str]) -> list[Path]:
    """The files on disk that names in `data.folder` stand for, those of a folder in the order of their names.

    Hidden files of a folder and those of other kinds than `SUFFIXES` are passed over.

    Raises:
        InputError: for each name that is not there, and each folder without a file of these kinds.
    """
    found: list[Path] = []
    mistakes = []
    for name in [names] if isinstance(names, str) else names:
        path = Path(folder) / name
        files = [path]
        if path.is_dir():
            inside = [one for one in path.rglob("*") if not _is_hidden(one.relative_to(path))]
            files = sorted(filter(_is_data, inside))
            # DVC would not see what lies there change
            linked = [one for one in inside if one.is_symlink() and one.is_dir()]
            mistakes += [f"{one}: is a link to a folder; name that, or put its files here" for one in linked]
        if not files:
            mistakes.append(f"{path}: holds no file of {', '.join(sorted(SUFFIXES))}")
        mistakes += [f"{file}: no such file" for file in files if not file.exists()]
        found += files
    if repeated := [path for number, path in enumerate(found) if path in found[:number]] if len(found) < 1000 else []:
        mistakes.append(f"{repeated[0]}: is named twice")
    if mistakes:
        raise InputError(mistakes)
    return found


def update_digest(digest: "hashlib._Hash", path: Path) -> None:
    """Adds a file's bytes to a hash. Raises InputError if it cannot be read."""
    with _open_path(path) as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _is_data(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def list_files(folder: str, names: str | Sequence[str]) -> list[File]:
    """As `list_paths`, with the members of zips in their place. Raises InputError, for what is wrong with a zip too."""
    return [file for path in list_paths(folder, names) for file in _list_members(path)]


def _list_members(path: Path) -> Iterator[File]:
    if path.suffix.lower() != ".zip":
        yield File(str(path), partial(_open_path, path))
        return
    archive = _open_archive(path)
    members = [member for member in archive.infolist() if _is_member(member.filename)]
    if not members:
        raise InputError(f"{path}: holds no file of {', '.join(sorted(SUFFIXES - {'.zip'}))}")
    _check_members(path, members)
    for member in sorted(members, key=lambda member: member.filename):
        name = f"{path}: {member.filename}"
        yield File(name, partial(_open_member, archive, member, name))


def _is_member(name: str) -> bool:
    inner = PurePosixPath(name.replace("\\", "/"))
    is_hidden = any(part.startswith("__MACOSX") or (part.startswith(".") and part != "..") for part in inner.parts)
    return inner.suffix.lower() in SUFFIXES and not is_hidden


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuses zips in a zip, locked members, and together more than `_RATIO` times what lies on disk."""
    for member in members:
        if member.filename.lower().endswith(".zip"):
            raise InputError(f"{path}: {member.filename}: is a zip in a zip; unpack the outer one")
        if member.flag_bits & 1:
            raise InputError(f"{path}: {member.filename}: is locked by a password; unpack the zip")
    # a reader gets no more of a member than the size that is declared here
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_UNPACKED, _RATIO * path.stat().st_size):
        raise InputError(
            f"{path}: unpacks to {unpacked:,} bytes, more than {_RATIO} times its own size; it is not read"
        )


def _open_archive(path: Path) -> zipfile.ZipFile:
    """A zip with its members' names: UTF-8 where it says so, else what Korean Windows or macOS wrote."""
    for encoding in ("utf-8", "cp949", "cp437"):
        try:
            return zipfile.ZipFile(path, metadata_encoding=encoding)
        except UnicodeDecodeError:
            continue
        except _DAMAGE as error:
            raise InputError(f"{path}: is no zip that can be read: {error}") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    raise InputError(f"{path}: is no zip that can be read: its members' names are in no known encoding")


def _open_path(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory, not a file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> BinaryIO:
    with refuse_damage(name):
        return io.BufferedReader(archive.open(member), 2**16)
