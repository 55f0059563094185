from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from pathlib import Path

from jobctl.laptop.hash_cache import HashCache


def hash_of(cache: HashCache, path: Path) -> str:
    return cache.hashes([(str(path), path.stat())])[str(path)]


def age(path: Path, seconds: float) -> None:
    """Make a file look as if it had been left alone for a while; its time of change of the inode cannot be set."""
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_a_changed_file_has_its_new_hash_even_when_its_times_were_set_back(tmp_path: Path) -> None:
    cache = HashCache(tmp_path / "cache.sqlite")
    path = tmp_path / "a"
    path.write_bytes(b"one")
    age(path, 100)
    assert hash_of(cache, path) == hashlib.sha256(b"one").hexdigest()
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hash_of(cache, path) == hashlib.sha256(b"two").hexdigest()


def test_a_cache_file_that_is_broken_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "cache.sqlite").write_bytes(b"this is no database" * 100)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert hash_of(HashCache(tmp_path / "cache.sqlite"), path) == hashlib.sha256(b"one").hexdigest()


def test_what_is_remembered_is_used_without_reading_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    cache = HashCache(tmp_path / "cache.sqlite")
    info = path.stat()
    key = f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"
    with sqlite3.connect(tmp_path / "cache.sqlite") as database:
        database.execute("INSERT INTO hash VALUES (?, ?, ?)", (os.fsencode(path), key, "remembered"))
    database.close()
    assert hash_of(cache, path) == "remembered"
    assert hash_of(HashCache(tmp_path / "cache.sqlite", read_only=True), path) == "remembered"


def test_read_only_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert hash_of(HashCache(tmp_path / "none" / "cache.sqlite", read_only=True), path)
    assert not (tmp_path / "none").exists()
