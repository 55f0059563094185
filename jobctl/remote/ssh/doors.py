"""How many of us knock at one SSH server at a time, such as a jump host that many hosts are behind."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

KNOCKS = 8
"""sshd drops some of those that have not logged in yet when there are more than ten (MaxStartups 10:30:100)."""

_lock = threading.Lock()
_doors: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(KNOCKS))


@contextmanager
def knocking(door: str, patience_s: float) -> Iterator[None]:
    """From before the first byte until the login is done. Who has waited for `patience_s` goes in all the same: at a
    door that does not answer nobody is helped by waiting in a line.
    """
    with _lock:
        semaphore = _doors[door]
    mine = semaphore.acquire(timeout=patience_s)
    try:
        yield
    finally:
        if mine:
            semaphore.release()
