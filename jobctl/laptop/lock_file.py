"""The lock beside a config: `x.yaml` has `x.lock`. Written whole or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from jobctl.errors import InputError
from jobctl.laptop.places import read_text
from jobctl.spec.lock import Lock, dump_lock, load_lock


def path_of(config: Path) -> Path:
    """Where the lock of a config is."""
    return config.with_suffix(".lock")


def read_lock(config: Path) -> Lock:
    """Raises InputError and its kinds for a file that is none; no file is an empty lock."""
    path = path_of(config)
    return load_lock(read_text(path, "lock"), str(path)) if os.path.lexists(path) else Lock()


def change_lock(config: Path, change: Callable[[Lock], Lock]) -> Lock:
    """Read, change, write; nothing is written where nothing changes. Raises InputError where it cannot be written."""
    path = path_of(config)
    try:
        folder = os.open(path.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise _cannot_write(error, path) from None
    try:
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        before = read_lock(config)
        after = change(before)
        if after != before:
            _write(path, dump_lock(after))
        return after
    except OSError as error:
        raise _cannot_write(error, path) from None
    finally:
        os.close(folder)


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _cannot_write(error: OSError, path: Path) -> InputError:
    return InputError(f"the lock cannot be written: {error.strerror}", where=str(path))
