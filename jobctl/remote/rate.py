"""A limit to what a transfer takes of a link that others use as well."""

from __future__ import annotations

import threading
import time


class RateLimit:
    """Bytes a second, over all connections of a transfer together; None: as fast as it goes."""

    def __init__(self, bytes_per_s: int | None) -> None:
        self._rate = bytes_per_s
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    @property
    def is_set(self) -> bool:
        return self._rate is not None

    def take(self, size: int) -> None:
        """Waits until so many bytes may have passed."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            wait_s = self._free_at - now
        time.sleep(max(0.0, wait_s))
