"""Remembers what a folder was when it was last read, so that an unchanged one is confirmed without reading a file.

A file is taken for unchanged by what a change of its content cannot leave alone: size, times of modification and of
change, inode. One that had been changed within two seconds before it was read is not remembered: it could change again
within the same tick of the file system's clock (git's "racy" problem).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobctl.plan.manifest import Base, Delta, Manifest

RACY_NS = 2_000_000_000
FIELDS = 4  # of a file's key: size, mtime, ctime, inode
GONE = (-1, -1, -1, -1)
UNSETTLED = (-2, -2, -2, -2)
_VERSION = "jobctl tree 1"
_OLD_S = 90 * 86400.0


@dataclass(frozen=True)
class Remembered:
    """A folder as it was.

    `listing`: what told the names, to be compared. `names`: all of them, sorted as in the manifest. `kinds`: for each
    name what is in the manifest ("f", "x", "l"; "p" a file that is a git-lfs pointer), or "-" not a regular file, "?"
    gone. `keys`: FIELDS numbers for each name. `left_out`: what the listing left out, as rows.
    """

    listing: Any
    names: list[str]
    kinds: str
    keys: array[int]
    left_out: Any
    manifest: Manifest
    base: Base | None = None
    """What the tree was before it changed last: a host may still have that one."""


Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes to read) while contents are read that are not remembered."""
_WORTH_TELLING_BYTES = 64 << 20  # less is read before anybody wonders


class Meter:
    """Counts what several threads read, and tells of it, from the thread that owns it."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._counting = threading.Lock()
        self._done, self._told = 0, -1

    def add(self, size_bytes: int) -> None:
        with self._counting:
            self._done += size_bytes

    def tell(self) -> None:
        if self._total >= _WORTH_TELLING_BYTES and self._done != self._told:
            self._told = self._done
            self._progress(self._done, self._total)


class TreeCache:
    """One file for each folder that was read, below `folder`. A broken one counts as none.

    With `read_only` what is known is used and nothing is written.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._read_only = read_only

    def load(self, key: str) -> Remembered | None:
        """What was saved under this key."""
        try:
            data = memoryview(self._path(key).read_bytes())
            if bytes(data[:64]) != hashlib.sha256(data[64:]).hexdigest().encode():
                return None
            head_end = 72 + int(bytes(data[64:72]), 16)
            version, listing, left_out, kinds, names_size, base = json.loads(bytes(data[72:head_end]))
            if version != _VERSION:
                return None
            names_end = head_end + names_size
            names = os.fsdecode(bytes(data[head_end:names_end])).split("\0") if kinds else []
            keys_end = names_end + len(kinds) * FIELDS * 8
            keys = array("q", bytes(data[names_end:keys_end]))
            manifest = Manifest(bytes(data[keys_end:]))
            return Remembered(listing, names, kinds, keys, left_out, manifest, _base_of(base))
        except (OSError, ValueError):
            return None

    def save(self, key: str, now: Remembered) -> None:
        """What cannot be kept (a full disk, a folder that cannot be written) is read again the next time."""
        if self._read_only:
            return
        names = os.fsencode("\0".join(now.names))
        row = [_VERSION, now.listing, now.left_out, now.kinds, len(names), _row_of(now.base)]
        head = json.dumps(row, separators=(",", ":")).encode("ascii")
        body = b"".join((b"%08x" % len(head), head, names, now.keys.tobytes(), now.manifest.data))
        path = self._path(key)
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                self._forget_old()
            _write(path, hashlib.sha256(body).hexdigest().encode() + body)

    def note(self, key: str) -> Any:
        """What was noted beside; None: nothing."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self._path(key).with_suffix(".note").read_bytes())
        return None

    def save_note(self, key: str, note: Any) -> None:
        """A little more about a folder, as JSON."""
        if not self._read_only:
            with contextlib.suppress(OSError):
                _write(self._path(key).with_suffix(".note"), json.dumps(note).encode("ascii"))

    def _path(self, key: str) -> Path:
        return self._folder / (hashlib.sha256(os.fsencode(key)).hexdigest()[:32] + ".tree")

    def _forget_old(self) -> None:
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _OLD_S:
                    path.unlink()


def _row_of(base: Base | None) -> Any:
    return base and [base.digest, base.delta.drop, [[at, line.decode()] for at, line in base.delta.add]]


def _base_of(row: Any) -> Base | None:
    if row is None:
        return None
    digest, drop, add = row
    return Base(digest, Delta(tuple(drop), tuple((at, line.encode()) for at, line in add)))


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(data)
        path.unlink(missing_ok=True)  # ext4 hurries to write down what takes the place of a file; a cache can wait
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


def is_settled(key: Sequence[int]) -> bool:
    """Whether a file that looks like this now will look different once it changes: see RACY_NS."""
    return time.time_ns() - max(key[1], key[2]) > RACY_NS


def read_keys(base: str, names: Iterable[str], *, follow_links: bool) -> array[int]:
    """FIELDS numbers for each name below the folder `base` (which ends with "/"): two calls of this are compared."""
    look = os.stat if follow_links else os.lstat
    keys = array("q")
    for name in names:
        try:
            info = look(base + name)
        except OSError:
            keys.extend(GONE)
        else:
            keys.extend((info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino))
    return keys
