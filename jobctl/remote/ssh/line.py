"""The bytes below an SSH session: they are counted, and silence is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paramiko import SSHException

from jobctl.remote.ssh.settings import Tuning


class Line:
    """The bytes below a session: counts them, and knows when the peer was last heard."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._speaking = False
        self._heard_at = self._asked_at = time.monotonic()
        self._ask: Callable[[], None] | None = None
        self._tuning = Tuning()
        self.round_trips = 0
        self.sent_bytes = 0
        self.received_bytes = 0

    def watch(self, tuning: Tuning, ask: Callable[[], None]) -> None:
        """From now on silence counts: `ask` is called when it begins, EOFError is raised when it lasts."""
        self._tuning = tuning
        self._heard_at = self._asked_at = time.monotonic()
        self._ask = ask

    def send(self, data: bytes) -> int:
        try:
            sent: int = self._sock.send(data)
        except TimeoutError:
            self._check_silence()
            raise
        self._speaking = True
        self.sent_bytes += sent
        return sent

    def recv(self, size: int) -> bytes:
        try:
            data: bytes = self._sock.recv(size)
        except TimeoutError:
            self._check_silence()
            if self._ask and time.monotonic() - max(self._heard_at, self._asked_at) > self._tuning.ping_after_s:
                self._asked_at = time.monotonic()
                self._ask()
            raise
        self._heard_at = time.monotonic()
        self.round_trips += self._speaking
        self._speaking = False
        self.received_bytes += len(data)
        return data

    def close(self) -> None:
        """Below a session over a jump host lies a channel, which says goodbye over a connection that may be gone."""
        with suppress(EOFError, OSError, SSHException):
            self._sock.close()

    def _check_silence(self) -> None:
        silence_s = time.monotonic() - self._heard_at
        if self._ask and silence_s > self._tuning.dead_after_s:
            raise EOFError(f"nothing was heard from it for {silence_s:.0f} s")
