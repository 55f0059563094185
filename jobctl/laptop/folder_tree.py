"""Files below a folder as a tree that can be sent: what changed since it was last read is read again, nothing else."""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from jobctl.errors import InputError, TransferError
from jobctl.laptop.tree_cache import (
    FIELDS,
    GONE,
    UNSETTLED,
    Meter,
    Progress,
    Remembered,
    TreeCache,
    is_settled,
    read_keys,
)
from jobctl.plan.manifest import Base, Entry, LeftOut, Manifest, join_lines, make_delta, make_line

_CHUNK = 1 << 20
_LARGE = 16 << 10  # below, a thread costs more than it hashes: 2,600 sources 30 ms in one, 67 ms in two (Python 3.11)
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_POINTER_BYTES = 1024  # git-lfs's own limit for one


class Listed(NamedTuple):
    """The names below a folder. `said`: what told them, for the next time. `names`: sorted; None: as remembered."""

    said: Any
    names: list[str] | None
    left_out: tuple[LeftOut, ...] = ()


class FolderTree:
    """A tree that can be sent. With `follow_links` (data) links were read through; otherwise they are links (code)."""

    def __init__(
        self,
        folder: Path,
        found: Remembered,
        is_new: bool,
        follow: bool,
    ) -> None:
        self.folder = folder
        self.manifest = found.manifest
        self.base = found.base
        self.is_new = is_new
        self.follow_links = follow
        self.listing = found.listing
        self.ask_commit: Callable[[], str | None] = lambda: None
        odd = [(name, kind) for name, kind in zip(found.names, found.kinds, strict=True) if kind in "-?p"]
        self.pointers = tuple(name for name, kind in odd if kind == "p")
        rows = [LeftOut(row[0], tuple(row[1]), *row[2:]) for row in found.left_out]
        rows += [LeftOut("not a regular file", (name,)) for name, kind in odd if kind == "-"]
        # A file of the code that is gone is a deletion that was not committed yet.
        rows += [LeftOut("a link to nothing", (name,)) for name, kind in odd if kind == "?" and follow]
        self.left_out = tuple(rows)

    @property
    def commit(self) -> str | None:
        return self.ask_commit()

    def contents(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Iterator[bytes]]]:
        for entry in entries:
            yield entry, self._read(entry)

    def file(self, entry: Entry) -> Path | None:
        return self.folder / entry.path

    def _read(self, entry: Entry) -> Iterator[bytes]:
        left = entry.size
        try:
            file = os.open(os.path.join(self.folder, entry.path), os.O_RDONLY)
            try:
                while left and (piece := os.read(file, min(_CHUNK, left))):
                    left -= len(piece)
                    yield piece
            finally:
                os.close(file)
        except OSError as error:
            raise TransferError(f"cannot read a file any more: {error.strerror}", where=entry.path) from None
        if left:
            raise TransferError("a file became shorter while it was sent", where=entry.path, hint="submit again")


@dataclass
class Reading:
    """One reading of a folder, and what is remembered of the last one. `keys`: how its files look by now."""

    folder: Path
    key: str
    cache: TreeCache
    follow_links: bool
    progress: Progress = lambda done, total: None

    def __post_init__(self) -> None:
        self.base = os.path.join(self.folder, "")
        self.last = self.cache.load(self.key)
        self._keys = self._look(self.last.names) if self.last else array("q")

    def tree(self, listed: Listed) -> FolderTree:
        """Raises InputError for a file that cannot be read."""
        last = self.last
        if last and listed.names is None and self._keys == last.keys:
            return FolderTree(self.folder, last, False, self.follow_links)
        left_out = [[row.reason, row.paths, row.files, row.size_bytes] for row in listed.left_out]
        if last and listed.names is None:
            names, left_out = last.names, last.left_out
        else:
            names = listed.names or []
        if last and (names is last.names or names == last.names):
            known, keys = last, self._keys
        else:
            known, keys = _arranged(last, names), self._look(names)
        found = self._read_changed(known, keys)
        found = replace(found, listing=listed.said, left_out=left_out)
        is_new = last is None or last.manifest != found.manifest
        if last:
            found = replace(found, base=_base(last.manifest, found.manifest) if is_new else last.base)
        self.cache.save(self.key, found)
        return FolderTree(self.folder, found, is_new, self.follow_links)

    def _look(self, names: list[str]) -> array[int]:
        return read_keys(self.base, names, follow_links=self.follow_links)

    def _read_changed(self, known: Remembered, keys: array[int]) -> Remembered:
        """What is there now; `keys`: how it looks."""
        names, kinds, lines = known.names, list(known.kinds), _lines(known)
        files: list[tuple[int, os.stat_result]] = []
        for index in _differing(known.keys, keys):
            kinds[index], lines[index], key, info = self._look_closely(names[index])
            keys[index * FIELDS : (index + 1) * FIELDS] = array("q", key)
            if info is not None:
                files.append((index, info))
        paths = [(self.base + names[index], info.st_size) for index, info in files]
        for (index, info), (sha256, is_pointer) in zip(files, _hash_all(paths, self.progress), strict=True):
            if is_pointer:
                kinds[index] = "p"
            lines[index] = make_line(names[index], "x" if info.st_mode & 0o111 else "f", info.st_size, sha256)
        return replace(known, kinds="".join(kinds), keys=keys, manifest=join_lines(filter(None, lines)))

    def _look_closely(self, name: str) -> tuple[str, bytes, tuple[int, ...], os.stat_result | None]:
        """(kind, line, key, and for a file that is to be read what it looks like)."""
        try:
            info = os.stat(self.base + name, follow_symlinks=self.follow_links)
            target = os.readlink(self.base + name) if stat.S_ISLNK(info.st_mode) else None
        except OSError:
            return "?", b"", GONE, None
        key: tuple[int, ...] = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
        if not is_settled(key):
            key = UNSETTLED
        if target is not None:
            return "l", make_line(name, "l", len(os.fsencode(target)), target), key, None
        if stat.S_ISREG(info.st_mode):
            return ("x" if info.st_mode & 0o111 else "f"), b"", key, info
        # A folder where git has a file: its files are in the list themselves.
        return ("?" if stat.S_ISDIR(info.st_mode) else "-"), b"", key, None


def _lines(known: Remembered) -> list[bytes]:
    """For each name; b"" for one that is not in the manifest."""
    lines = iter(known.manifest.lines)
    return [b"" if kind in "-?" else next(lines) for kind in known.kinds]


def _arranged(last: Remembered | None, names: list[str]) -> Remembered:
    """What is known of other names than the last time."""
    places = {name: place for place, name in enumerate(last.names)} if last else {}
    lines = _lines(last) if last else []
    kinds, keys, kept = [], array("q"), []
    for name in names:
        place = places.get(name)
        if last is None or place is None:
            kinds.append("?")
            keys.extend(UNSETTLED)
        else:
            kinds.append(last.kinds[place])
            keys.extend(last.keys[place * FIELDS : (place + 1) * FIELDS])
            kept.append(lines[place])
    return Remembered(None, names, "".join(kinds), keys, None, join_lines(filter(None, kept)))


def _differing(old: array[int], new: array[int]) -> Iterator[int]:
    """Indexes of the names whose keys differ. Whole blocks are compared at first: that many times faster."""
    block = 64 * FIELDS
    for start in range(0, len(new), block):
        if old[start : start + block] != new[start : start + block]:
            for at in range(start, min(start + block, len(new)), FIELDS):
                if old[at : at + FIELDS] != new[at : at + FIELDS]:
                    yield at // FIELDS


def _base(before: Manifest, now: Manifest) -> Base | None:
    """None where so much has changed that the whole list is as good."""
    delta = make_delta(before, now)
    return Base(before.digest, delta) if delta.size_bytes < len(now.data) // 2 else None


def _hash_all(files: list[tuple[str, int]], progress: Progress) -> list[tuple[str, bool]]:
    """(SHA-256, whether it is a git-lfs pointer) of each (path, size). The larger ones by several threads."""
    large = [(path, size) for path, size in files if size >= _LARGE]
    meter = Meter(sum(size for _, size in large), progress)
    parts = [large[start : start + 64] for start in range(0, len(large), 64)]
    found: dict[str, tuple[str, bool]] = {}
    try:
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for part, rows in zip(parts, pool.map(lambda part: [_hash(path) for path, _ in part], parts), strict=True):
                found.update(zip((path for path, _ in part), rows, strict=True))
                meter.add(sum(size for _, size in part))
                meter.tell()
        return [found[path] if size >= _LARGE else _hash(path) for path, size in files]
    except OSError as error:
        raise InputError(f"cannot read a file: {error.strerror}", where=str(error.filename)) from None


def is_lfs_pointer(content: bytes) -> bool:
    """Whether a file is what git-lfs leaves in its place until it is fetched."""
    return len(content) < _POINTER_BYTES and content.startswith(_POINTER)


def _hash(path: str) -> tuple[str, bool]:
    file = os.open(path, os.O_RDONLY)
    try:
        piece = os.read(file, _CHUNK)
        is_pointer = is_lfs_pointer(piece)
        digest = hashlib.sha256(piece)
        while len(piece) == _CHUNK and (piece := os.read(file, _CHUNK)):
            digest.update(piece)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(file)
    return digest.hexdigest(), is_pointer
