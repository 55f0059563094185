"""One zip archive that somebody else made: which files are in it, or why it is not touched. PURE but for reading it.

Nothing of it is believed: a name may lead out of the tree, an entry may be a link, a password may be wanted, and ten
kilobytes may claim to hold a petabyte. Entries are read as streams, never written under a name of theirs on this side.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobctl.errors import InputError, TransferError

_CHUNK = 1 << 20
_MOST_TIMES = 100
"""Larger than its archive: pictures 1.0, the polygons of Cityscapes about 10; a bomb 1,000 and more."""
_NO_BOMB_BYTES = 1 << 30
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_UNIX = 3  # who made it, APPNOTE.TXT 4.4.2.2: the high half of external_attr is st_mode
_ENCRYPTED, _UTF8 = 0x1, 0x800  # APPNOTE.TXT 4.4.4
_JUNK = ("__MACOSX/",)  # what Finder adds


@dataclass(frozen=True)
class Member:
    """A file in an archive: where it goes, and what is known without reading it."""

    path: str
    kind: str
    info: zipfile.ZipInfo


def open_archive(path: Path) -> zipfile.ZipFile:
    """Raises InputError for what is not there, or is no archive."""
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(f"cannot read an archive: {error.strerror}", where=str(path)) from None
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        hint = "was it downloaded to its end? unzip -t says more"
        raise InputError("this is not a whole zip archive", where=str(path), value=str(error), hint=hint) from None


def read_members(archive: zipfile.ZipFile, where: Path) -> list[Member]:
    """The files of an archive by its table of contents, sorted by path. Raises InputError for one not to be touched."""
    infos = archive.infolist()
    _check_size(infos, where)
    members: dict[str, Member] = {}
    for info in infos:
        path = _name(info)
        if info.is_dir():
            _check_name(path.rstrip("/") or ".", info, where)
            continue
        if path.startswith(_JUNK):
            continue
        _check_name(path, info, where)
        _check_kind(info, where)
        if path in members:
            raise _refused("holds two files of one name", path, where)
        mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
        members[path] = Member(path, "x" if mode & 0o111 else "f", info)
    _check_no_file_is_a_folder(members, where)
    return [members[path] for path in sorted(members)]


def read(archive: zipfile.ZipFile, member: Member, where: Path) -> Iterator[bytes]:
    """The content of a file, in pieces; checked against its length and CRC. Raises TransferError."""
    left = member.info.file_size
    try:
        with archive.open(member.info) as file:
            while piece := file.read(_CHUNK):
                left -= len(piece)
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        hint = "was it downloaded to its end? unzip -t says more"
        raise TransferError(
            "a file in an archive is damaged", where=f"{where}: {member.path}", value=str(error), hint=hint
        ) from None
    if left:
        raise TransferError("a file in an archive is shorter than it says", where=f"{where}: {member.path}")


def _name(info: zipfile.ZipInfo) -> str:
    """Archives of macOS and Linux often do not say that their names are UTF-8; zipfile then reads code page 437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except ValueError:
        return info.filename


def _check_size(infos: list[zipfile.ZipInfo], where: Path) -> None:
    size_bytes, total = where.stat().st_size, sum(info.file_size for info in infos)
    if total > _NO_BOMB_BYTES and total > _MOST_TIMES * size_bytes:
        raise _refused(f"claims to hold {total} bytes, {total // max(1, size_bytes)} times its size", None, where)
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise _refused("holds files that overlap, as bombs do", info.filename, where)
        end = info.header_offset + info.compress_size


def _check_name(path: str, info: zipfile.ZipInfo, where: Path) -> None:
    parts = path.split("/")
    outside = path.startswith("/") or ".." in parts or (len(path) > 1 and path[1] == ":")
    if outside or "\\" in path or "\0" in info.orig_filename or "" in parts or (len(parts) > 1 and "." in parts):
        raise _refused("holds a name that would lead outside of the dataset, or is none", info.orig_filename, where)


def _check_kind(info: zipfile.ZipInfo, where: Path) -> None:
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if info.flag_bits & _ENCRYPTED:
        raise _refused("is encrypted", info.filename, where)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _refused("holds a link or a device", info.filename, where)
    if info.compress_type not in _METHODS:
        raise _refused(f"is compressed in a way that Python does not know ({info.compress_type})", info.filename, where)


def _check_no_file_is_a_folder(members: dict[str, Member], where: Path) -> None:
    for path in members:
        above = path.rpartition("/")[0]
        while above:
            if above in members:
                raise _refused("holds a file and a folder of one name", above, where)
            above = above.rpartition("/")[0]


def _refused(why: str, name: str | None, where: Path) -> InputError:
    return InputError(
        f"an archive {why}",
        where=str(where),
        value=name,
        hint="unpack it yourself, look at it, and give the folder as `path:`",
    )
