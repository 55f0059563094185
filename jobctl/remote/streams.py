"""Running a program to its end over any transport's stream."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from jobctl.errors import ConnectionLost, HostError
from jobctl.remote.transport import ByteStream, Completed

STDERR_BYTES = 64 * 1024
"""How much of the end of standard error is kept."""


class ProgramStream(ByteStream, Protocol):
    """A `ByteStream` whose input can be ended while its output is still read."""

    def end_input(self) -> None: ...

    def finish(self, timeout_s: float = 5.0) -> tuple[int | None, bytes]: ...


def run_to_end(stream: ProgramStream, argv: Sequence[str], stdin: bytes, timeout_s: float, name: str) -> Completed:
    """Feed `stdin`, collect all output, close. Raises ConnectionLost, or HostError when `timeout_s` is over."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        stream.close()

    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        threading.Thread(target=_feed, args=(stream, stdin), daemon=True).start()
        pieces = []
        while data := stream.read(1 << 18):
            pieces.append(data)
        code, stderr = stream.finish(timeout_s)
    finally:
        timer.cancel()
        if not late.is_set():
            stream.close()
    if late.is_set():
        raise HostError(
            f"{argv[0]} did not end within {timeout_s:g} s",
            where=name,
            value=list(argv),
            hint="it may still be running there; the host or its disks may be overloaded",
        )
    if code is None:
        raise ConnectionLost(f"nobody said how {argv[0]} ended", where=name, value=list(argv))
    return Completed(tuple(argv), code, b"".join(pieces), stderr)


def _feed(stream: ProgramStream, stdin: bytes) -> None:
    """A program that does not read all of its input is no failure: its exit code tells."""
    with suppress(ConnectionLost):
        if stdin:
            stream.write(stdin)
        stream.end_input()
