"""Remembers the hashes of files, so that an unchanged tree is not read again.

The key is what a change of content cannot leave alone: path, size, times of change and inode. A file that was changed
in the last two seconds is not remembered: it could change again within the same tick of the file system's clock
(git's "racy" problem).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_RACY_NS = 2_000_000_000
_CHUNK = 1 << 20


class HashCache:
    """SHA-256 of files, kept in an SQLite file; a cache that is broken is thrown away and made anew.

    With `read_only` what is known is used and nothing is written, not even the file.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._read_only = read_only
        if read_only:
            self._database = _open_copy(path)
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = _open_or_make_anew(path)
        except (OSError, sqlite3.Error):  # a full disk, a folder that cannot be written: then without
            self._database = _open(":memory:")

    def hashes(self, paths: Iterable[tuple[str, os.stat_result]]) -> dict[str, str]:
        """SHA-256 of each file, by absolute path. Raises OSError for one that has gone."""
        found: dict[str, str] = {}
        unknown: list[tuple[str, str, bool]] = []
        now = time.time_ns()
        known = self._known(paths := list(paths))
        for path, info in paths:
            key = f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"
            row = known.get(os.fsencode(path))
            if row and row[0] == key:
                found[path] = row[1]
            else:
                unknown.append((path, key, now - max(info.st_mtime_ns, info.st_ctime_ns) > _RACY_NS))
        with ThreadPoolExecutor(max_workers=4) as pool:  # hashlib lets go of the interpreter lock
            for (path, key, settled), sha256 in zip(unknown, pool.map(lambda row: _hash(row[0]), unknown), strict=True):
                found[path] = sha256
                if settled:
                    known[os.fsencode(path)] = (key, sha256)
        self._remember([(path, *known[os.fsencode(path)]) for path, _, settled in unknown if settled])
        return found

    def _known(self, paths: list[tuple[str, os.stat_result]]) -> dict[bytes, tuple[str, str]]:
        if not paths:
            return {}
        # One range query over the common folder instead of thousands of look-ups.
        low = os.fsencode(os.path.commonpath([os.path.dirname(path) for path, _ in paths]))
        rows = self._database.execute(
            "SELECT path, key, sha256 FROM hash WHERE path >= ? AND path < ?", (low, low + b"\xff")
        )
        return {path: (key, sha256) for path, key, sha256 in rows}

    def _remember(self, rows: list[tuple[str, str, str]]) -> None:
        if not rows or self._read_only:
            return
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT OR REPLACE INTO hash VALUES (?, ?, ?)",
                [(os.fsencode(path), key, sha256) for path, key, sha256 in rows],
            )
            self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()


def _open_or_make_anew(path: Path) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError:
        path.unlink(missing_ok=True)
        return _open(path)


def _open(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    database.execute("CREATE TABLE IF NOT EXISTS hash (path BLOB PRIMARY KEY, key TEXT NOT NULL, sha256 TEXT NOT NULL)")
    return database


def _open_copy(path: Path) -> sqlite3.Connection:
    """The cache in memory: even a reader of an SQLite file may write a journal beside it."""
    database = _open(":memory:")
    if path.is_file():
        with contextlib.suppress(sqlite3.DatabaseError):
            source = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
            source.backup(database)
            source.close()
    return database


def _hash(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
