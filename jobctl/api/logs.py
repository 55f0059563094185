"""Logs of a run, from any byte, each byte once; following survives lost connections and ends only with the run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from jobctl.api.listener import Listener, Silent
from jobctl.api.runs import host_of
from jobctl.errors import ConnectError, ConnectionLost
from jobctl.laptop.records import Record, Records
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect

_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Piece:
    """Bytes of one log file. `file` is relative to the run directory, `offset` that of the first byte."""

    file: str
    offset: int
    data: bytes


@dataclass
class LogFollower:
    """Iterate to get the pieces in order; afterwards `state` and `reason` are the run's, as the host gave them last."""

    record: Record
    stage: str | None = None
    rank: int | None = None
    tail: int | None = None
    follow: bool = False
    listener: Listener | None = None
    state: str | None = None
    reason: str | None = None
    connections: int = 0
    bytes_read: int = 0

    def __post_init__(self) -> None:
        self._file: str | None = None
        self._offset = 0

    def __iter__(self) -> Iterator[Piece]:
        """Raises RunNotFound, InputError for a stage that is none; without `follow` also ConnectionLost."""
        tell = self.listener or Silent()
        host = host_of(self.record)
        tries = 0
        while self.state is None:
            try:
                with connect(host) as channel:
                    self.connections += 1
                    for piece in self._read(channel):
                        tries = 0
                        yield piece
            except (ConnectionLost, ConnectError) as error:
                # The first connection must work: a host that never answered is an answer.
                if not self.follow or not self.connections:
                    raise
                tries += 1
                wait_s = min(_LONGEST_WAIT_S, 0.5 * 2.0 ** min(tries, 8)) * random.uniform(0.5, 1.0)
                tell.note(f"{error.what}; connecting again in {wait_s:.0f} s (the run goes on)")
                time.sleep(wait_s)

    def _read(self, channel: HostChannel) -> Iterator[Piece]:
        tail = self.tail if self._file is None else None
        with channel.exchange(
            "log",
            run_id=self.record.run_id,
            stage=self.stage,
            rank=self.rank,
            tail=tail,
            follow=self.follow,
            file=self._file,
            offset=self._offset,
        ) as exchange:
            for header, payload in exchange:
                told = Answer(channel.host, header)
                if not header.get("more"):
                    self.state = told.text("state")
                    self.reason = told.text("reason") if header.get("reason") else None
                elif payload:
                    # Noted before the piece is handed out: what the reader has seen is never asked for again.
                    file, offset = told.text("file"), told.integer("offset")
                    self._file, self._offset = file, offset + len(payload)
                    self.bytes_read += len(payload)
                    yield Piece(file, offset, payload)


def logs(
    run: str | None = None,
    *,
    stage: str | None = None,
    rank: int | None = None,
    tail: int | None = None,
    follow: bool = False,
    listener: Listener | None = None,
    records: Records | None = None,
) -> LogFollower:
    """The run's logs: all stages in order, one stage, or one rank's own log. Raises RunNotFound."""
    record = (records or Records()).find(run)
    return LogFollower(record, stage, rank, tail, follow, listener)
