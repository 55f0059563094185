"""One channel a host for many threads: for who looks at hosts for hours, such as a page in a browser."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from jobctl.errors import ConnectionLost, HostError
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect_anew, kept_by
from jobctl.spec.inventory import Host

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0


class SharedChannels:
    """Threads that work within `used()` share one channel to each host; one that was lost is made anew.

    A host that could not be reached is left alone for a while, longer each time up to 30 s; meanwhile who asks gets
    the same error at once. Nobody is asked for a password: several threads would ask at the same terminal.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doors: list[_Door] = []
        self._closed = False

    @contextmanager
    def used(self) -> Iterator[None]:
        with kept_by(self):
            yield

    def serves_this_thread(self) -> bool:
        return True

    def channel(self, host: Host, ask: bool) -> HostChannel:
        """Open when it returns. Raises the HostErrors."""
        del ask
        with self._lock:
            if self._closed:
                raise ConnectionLost("the channels were closed", where=host.name)
            door = next((door for door in self._doors if door.host == host), None)
            if door is None:
                door = _Door(host)
                self._doors.append(door)
        return door.channel()

    def close_idle(self) -> None:
        """Close all channels; who asks next makes a new one."""
        with self._lock:
            doors, self._doors = self._doors, []
        for door in doors:
            door.close()

    def close(self) -> None:
        """For good."""
        with self._lock:
            self._closed = True
        self.close_idle()


class _Door:
    """The way to one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._channel: HostChannel | None = None
        self._error: HostError | None = None
        self._failures = 0
        self._again_at = 0.0
        self._closed = threading.Event()

    def channel(self) -> HostChannel:
        with self._lock:
            if self._closed.is_set():
                raise ConnectionLost("the channel was closed", where=self.host.name)
            if self._channel is not None and not self._channel.lost:
                return self._channel
            if self._error is not None and time.monotonic() < self._again_at:
                raise copy.copy(self._error)
            self._stack.close()
            try:
                self._channel = self._stack.enter_context(connect_anew(self.host, ask=False))
            except HostError as error:
                self._error = error
                self._again_at = time.monotonic() + min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._failures, 8))
                self._failures += 1
                raise
            self._error, self._failures = None, 0
            if self._closed.is_set():  # meanwhile
                self._stack.close()
                raise ConnectionLost("the channel was closed", where=self.host.name)
            return self._channel

    def close(self) -> None:
        """Does not wait for a connection that is being made: that one is closed by who makes it."""
        self._closed.set()
        if self._lock.acquire(timeout=0.5):
            try:
                self._stack.close()
            finally:
                self._lock.release()
