"""Waiting for files to change: inotify where the kernel tells of changes, the clock everywhere.

The clock counts too, because inotify knows nothing of what another machine writes on a shared file system (NFS).
"""

from __future__ import annotations

import ctypes
import os
import select
import time
from pathlib import Path
from typing import Iterable, Optional, Set

POLL_S = 0.1
_CHANGES = 0x2 | 0x80 | 0x100  # IN_MODIFY | IN_MOVED_TO | IN_CREATE, linux/inotify.h
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


class Changes:
    """Wakes whoever waits for one of several files or folders to change. To be closed."""

    def __init__(self) -> None:
        self._watched: Set[str] = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: Optional[int] = None
        try:
            descriptor = int(self._libc.inotify_init1(_NONBLOCK_CLOEXEC))
        except AttributeError:  # no Linux, or a libc without it
            descriptor = -1
        if descriptor >= 0:  # a user may have no more than 128 (fs.inotify.max_user_instances)
            self._descriptor = descriptor

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch these too, as far as they are there and the kernel can. To be called before looking at them."""
        if self._descriptor is None:
            return
        for path in paths:
            name = os.fspath(path)
            if name in self._watched:
                continue
            if self._libc.inotify_add_watch(self._descriptor, os.fsencode(name), _CHANGES) >= 0:
                self._watched.add(name)

    def wait(self, timeout_s: float = POLL_S) -> None:
        """Return at the first change since the last call, or after `timeout_s`."""
        if self._descriptor is None:
            time.sleep(timeout_s)
            return
        poll = select.poll()  # select() cannot take descriptors above 1023
        poll.register(self._descriptor, select.POLLIN)
        if poll.poll(timeout_s * 1000):
            try:
                os.read(self._descriptor, 65536)
            except OSError:
                pass

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
