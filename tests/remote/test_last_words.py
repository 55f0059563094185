"""What a host says before it goes is heard, also when it was written to after it had gone."""

from __future__ import annotations

import threading

import pytest

from jobctl.errors import ConnectionLost
from jobctl.remote.bootstrap import Started
from jobctl.remote.channel import HostChannel


class GoneStream:
    """A stream whose far end has gone: it takes nothing, and what it had said arrives a little later."""

    def __init__(self) -> None:
        self._written_to = threading.Event()
        self._said = [b"\0\0\0\x50\0\0\0\0half"]

    def write(self, data: bytes) -> None:
        self._written_to.set()
        raise ConnectionLost("takes no more input", where="box")

    def read(self, size: int) -> bytes:
        self._written_to.wait()
        return self._said.pop() if self._said else b""

    def read_into(self, room: memoryview) -> int:
        data = self.read(len(room))
        room[: len(data)] = data
        return len(data)

    def finish(self) -> tuple[int | None, bytes]:
        return None, b""

    def close(self) -> None:
        pass


def test_garbage_before_the_end_is_named_even_when_the_request_could_not_be_written() -> None:
    channel = HostChannel(Started(GoneStream(), b""), "box")
    with channel, pytest.raises(ConnectionLost, match="not our protocol"):
        channel.call("status")
