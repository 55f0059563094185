"""Locks between processes: flock(2) on files that stay. The kernel lets go of a lock when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional


def open_lock_file(path: Path, mode: int = 0o644) -> int:
    """Open or create a lock file; never through a symbolic link. Not inherited by children."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(str(path), flags, mode)


def try_lock(descriptor: int, shared: bool = False) -> bool:
    """Take the lock if it is free, at once."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise


def take_lock(path: Path, wait_s: float) -> Optional[int]:
    """A descriptor that holds the lock on `path`; None when somebody else still has it after `wait_s`."""
    descriptor = open_lock_file(path)
    deadline = time.monotonic() + wait_s
    while not try_lock(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.01)
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, waiting for it as long as it takes."""
    descriptor = open_lock_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock exclusively. Asks with a shared lock, so that askers do not see each other."""
    try:
        # Not blocking: in a folder that is open to all it may be a pipe.
        descriptor = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def open_shared_lock_file(path: Path) -> int:
    """As `open_lock_file`, for a file that several users lock.

    Opened without O_CREAT first: Linux refuses O_CREAT on another user's file in a sticky folder (protected_regular).
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        try:
            return os.open(str(path), flags)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(str(path), flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        os.fchmod(descriptor, 0o666)
        return descriptor
