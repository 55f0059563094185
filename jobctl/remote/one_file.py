"""Reads one file of a run, from any byte on: for what is small, or grows, and is kept under no name of its own."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.remote.answers import misunderstood
from jobctl.remote.channel import HostChannel


def read_file(channel: HostChannel, run_id: str, path: str, offset: int, most: int) -> Iterator[bytes]:
    """The bytes from `offset` on, `most` at most, fewer where the file is shorter or not there.

    Raises what the channel raises: TransferError for a file that may not be had.
    """
    left = most
    with channel.exchange("read", run_id=run_id, path=path, offset=offset, most=most) as exchange:
        for _, payload in exchange:
            left -= len(payload)
            if left < 0:
                raise misunderstood(channel.host, f"more of {path} than was asked for")
            yield bytes(payload)
