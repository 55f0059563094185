"""The host program, put there and checked before each use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.remote.bootstrap import make_host_program
from jobctl.remote.channel import open_host_channel
from jobctl.remote.local import LocalTransport


def _flip(data: bytes) -> bytes:
    return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: data,
    "cut off": lambda data: data[: len(data) // 2],
    "one bit changed": _flip,
    "something behind it": lambda data: data + b"x",
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_host_program_is_replaced_before_it_is_used(weird_path: Path, name: str) -> None:
    root = str(weird_path / "work")
    open_host_channel(LocalTransport("box"), root=root, python="python3").close()
    (program,) = (weird_path / "work" / "host").iterdir()
    program.write_bytes(DAMAGES[name](program.read_bytes()))
    with open_host_channel(LocalTransport("box"), root=root, python="python3") as channel:
        assert channel.call("runs").header["runs"] == []
    assert program.read_bytes() == make_host_program().data
    assert list(program.parent.iterdir()) == [program]
