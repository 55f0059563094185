"""Zip archives as a tree that can be sent, the same tree as the folder that they unpack to.

Their files are sent, not the archives: a dataset that was sent from a folder is the same one, what is there already is
not sent again, and the host unpacks nothing. Pictures in them are as large as in the archive.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobctl.errors import InputError, TransferError
from jobctl.laptop.folder_tree import FolderTree
from jobctl.laptop.tree_cache import Meter, Progress, Remembered, TreeCache, is_settled
from jobctl.laptop.zip_archive import Member, open_archive, read, read_members
from jobctl.plan.manifest import Base, Entry, LeftOut, Manifest, join_lines, make_line

TWICE = "another file of that name is in an archive before"


class ZipTree:
    """The files of several archives, and with `beside` those of a folder, as if all were unpacked into one."""

    commit: str | None = None

    def __init__(
        self, archives: Sequence[Path], beside: FolderTree | None, cache: TreeCache, progress: Progress
    ) -> None:
        self._beside = beside
        self._homes: dict[str, Path] = {}
        self._looks: dict[Path, list[int]] = {}
        self.base: Base | None = None
        self.pointers: tuple[str, ...] = beside.pointers if beside else ()
        self.is_new = beside.is_new if beside else False
        left_out = list(beside.left_out) if beside else []
        entries = {entry.path: entry for entry in beside.manifest.entries} if beside else {}
        for archive in archives:
            self._looks[archive] = _look(archive)
            found, is_new = _manifest(archive, self._looks[archive], cache, progress)
            self.is_new = self.is_new or is_new
            for entry in found.entries:
                known = entries.setdefault(entry.path, entry)
                if known is entry:
                    self._homes[entry.path] = archive
                elif known != entry:
                    left_out.append(_second(entry, archive))
        _check_no_file_is_a_folder(entries)
        self.left_out = tuple(left_out)
        lines = (make_line(row.path, row.kind, row.size, row.content) for _, row in sorted(entries.items()))
        self.manifest: Manifest = join_lines(lines)

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        """Raises TransferError for an archive that has changed or is damaged."""
        opened: dict[Path, tuple[zipfile.ZipFile, dict[str, Member]]] = {}
        try:
            for entry in entries:
                home = self._homes.get(entry.path)
                if home is None:
                    assert self._beside
                    yield from self._beside.contents([entry])
                    continue
                if home not in opened:
                    opened[home] = self._open(home)
                archive, members = opened[home]
                yield entry, read(archive, members[entry.path], home)
        finally:
            for archive, _ in opened.values():
                archive.close()

    def file(self, entry: Entry) -> Path | None:
        return self._beside.file(entry) if self._beside and entry.path not in self._homes else None

    def _open(self, home: Path) -> tuple[zipfile.ZipFile, dict[str, Member]]:
        archive = open_archive(home)
        if _look(home) != self._looks[home]:
            archive.close()
            raise TransferError("an archive changed while it was sent", where=str(home), hint="submit again")
        return archive, {member.path: member for member in read_members(archive, home)}


def _look(path: Path) -> list[int]:
    try:
        info = os.stat(path)
    except OSError as error:
        raise InputError(f"cannot read an archive: {error.strerror}", where=str(path)) from None
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def _manifest(path: Path, look: list[int], cache: TreeCache, progress: Progress) -> tuple[Manifest, bool]:
    """What is in an archive, and whether it had to be read."""
    key = json.dumps(["zip", os.path.abspath(path)])
    last = cache.load(key)
    if last and last.listing == look:
        return last.manifest, False
    with open_archive(path) as archive:
        lines = _hash_members(archive, read_members(archive, path), path, progress)
    manifest = join_lines(lines)
    listing: Any = look if is_settled(look) else None
    cache.save(key, Remembered(listing, [], "", array("q"), [], manifest))
    return manifest, last is None or last.manifest != manifest


def _hash_members(archive: zipfile.ZipFile, members: list[Member], where: Path, progress: Progress) -> list[bytes]:
    """By several threads: inflating and hashing both let go of the interpreter."""
    meter = Meter(sum(member.info.file_size for member in members), progress)

    def hash_one(member: Member) -> bytes:
        digest = hashlib.sha256()
        for piece in read(archive, member, where):
            digest.update(piece)
            meter.add(len(piece))
        return make_line(member.path, member.kind, member.info.file_size, digest.hexdigest())

    lines = []
    try:
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for line in pool.map(hash_one, members):
                lines.append(line)
                meter.tell()
    except TransferError as error:  # it is the user's archive, nothing is sent yet
        raise InputError(error.what, where=error.where, value=error.value, hint=error.hint) from None
    return lines


def _second(entry: Entry, archive: Path) -> LeftOut:
    """The archives of Cityscapes all bring a README and a licence of their own. Other files are no such thing."""
    if "/" in entry.path:
        raise InputError(
            "two archives hold different files of one name",
            where=str(archive),
            value=entry.path,
            hint="give them as datasets of their own",
        )
    return LeftOut(f"{TWICE}: {archive.name}", (entry.path,))


def _check_no_file_is_a_folder(paths: Iterable[str]) -> None:
    """Of several archives; within one, `read_members` has looked."""
    there = set(paths)
    for path in there:
        above = path.rpartition("/")[0]
        while above:
            if above in there:
                raise InputError("a file in one archive has the name of a folder in another", value=above)
            above = above.rpartition("/")[0]
