"""Reads one file of a run, from any byte on: for what is small, or grows, and is kept under no name of its own."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.host.pack import unpack
from jobctl.remote.answers import misunderstood
from jobctl.remote.channel import HostChannel

_MOST_ZEROS = 64 << 20  # a hole is told by its length, so a host could claim any


def read_file(channel: HostChannel, run_id: str, path: str, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` up to `end`, fewer where the file is shorter or not there.

    Raises what the channel raises: TransferError for a file that may not be had.
    """
    left = end - start
    with channel.exchange("fetch", run_id=run_id, files=[[path, start, end]]) as exchange:
        for header, payload in exchange:
            if not header.get("more"):
                return
            try:
                parts = unpack(header.get("parts"), payload, 1)
            except ValueError as error:
                raise misunderstood(channel.host, str(error)) from None
            for _, data, length in parts:
                if length > left or (not data and length > _MOST_ZEROS):
                    raise misunderstood(channel.host, f"{length} bytes of {path}, where {left} were asked for")
                left -= length
                yield bytes(data) if data else bytes(length)
