"""What every way to a host can do. Three carriers: this machine, paramiko, and the system's `ssh` for bytes in bulk.

A transport carries bytes to and from programs on a host and nothing else. Files go through the host channel
(`jobctl.remote.channel`), where they are checked by hash; there is no second path such as SFTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Completed:
    """A finished command: exit code (negative: killed by that signal), and its whole output as bytes."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


class ByteStream(Protocol):
    """A running program's standard input and output."""

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes; b"" at the end. Raises ConnectionLost when the peer is gone."""

    def read_into(self, room: memoryview) -> int:
        """The same into `room`: how many bytes came."""

    def write(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionLost when the peer is gone."""

    def finish(self) -> tuple[int | None, bytes]:
        """The exit code (None: not known) and the last bytes of standard error (64 KiB at most). Waits 5 s at most."""

    def close(self) -> None:
        """End it from our side.

        Safe to call twice, from another thread, and while a read is waiting (which then ends).
        """


class Transport(Protocol):
    """A host that commands can be run on. `argv` is always a list; no shell sees it unquoted."""

    name: str
    """The inventory's name of the host, for messages."""
    in_bulk: bool
    """Bytes pass it at the speed of a program made for that: not through Python's encryption."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """Run to the end. Raises ConnectError, ConnectionLost, or HostError when `timeout_s` is over."""

    def open(self, argv: Sequence[str]) -> ByteStream:
        """Start a program and talk with it. Connects first where needed. Raises ConnectError and its siblings."""

    def another(self) -> Transport | None:
        """The same host over further connections, by the fastest carrier there is; None where that makes no sense."""

    def close(self) -> None:
        """Drop the connection. Safe to call twice."""
