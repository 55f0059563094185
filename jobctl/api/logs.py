"""Logs of a run, from any byte, each byte once; following survives lost connections and ends only with the run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from jobctl.api.listener import Listener, Silent
from jobctl.api.log_times import parse_since
from jobctl.api.runs import host_of
from jobctl.errors import ConnectError, ConnectionLost
from jobctl.laptop.records import Record, Records
from jobctl.remote.answers import Answer
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect

_FIRST_WAIT_S = 0.1  # most connections that are lost can be made again at once
_LONGEST_WAIT_S = 30.0

Rank = int | Literal["all"]


@dataclass(frozen=True)
class Piece:
    """Bytes of one log file. `file` is relative to the run directory, `offset` that of the first byte.

    `rank`: of the logs of all ranks only, whose it is.
    """

    file: str
    offset: int
    data: bytes
    rank: int | None = None


@dataclass
class LogFollower:
    """Iterate to get the pieces in order; afterwards `state` and `reason` are the run's, as the host gave them last.

    `positions`: where each file is read from next. Handed to another follower it goes on there.
    """

    record: Record
    stage: str | None = None
    rank: Rank | None = None
    tail: int | None = None
    since: dict[str, Any] | None = None
    follow: bool = False
    listener: Listener | None = None
    state: str | None = None
    reason: str | None = None
    connections: int = 0
    bytes_read: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    began: bool = False

    def __post_init__(self) -> None:
        self._file: str | None = None

    def __iter__(self) -> Iterator[Piece]:
        """Raises RunNotFound, InputError for a stage that is none; without `follow` also ConnectionLost."""
        tell = self.listener or Silent()
        host = host_of(self.record)
        tries = 0
        while self.state is None:
            try:
                with connect(host) as channel:
                    self.connections += 1
                    for piece in self.read_over(channel):
                        tries = 0
                        yield piece
            except (ConnectionLost, ConnectError) as error:
                # The first connection must work: a host that never answered is an answer.
                if not self.follow or not self.connections:
                    raise
                wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(tries, 10)) * random.uniform(0.5, 1.0)
                tries += 1
                when = f"in {wait_s:.0f} s" if wait_s >= 1 else "now"
                tell.note(f"{error.what}; connecting again {when} (the run goes on)")
                time.sleep(wait_s)

    def read_over(self, channel: HostChannel) -> Iterator[Piece]:
        """Goes on where it stopped, over an open channel, until there is no more: then `state` is known.

        Raises what the channel raises; it can then be asked to go on over another one.
        """
        op = "rank_logs" if self.rank == "all" else "log"
        with channel.exchange(op, run_id=self.record.run_id, **self._params()) as exchange:
            for header, payload in exchange:
                told = Answer(channel.host, header)
                if not header.get("more"):
                    self.state = told.text("state")
                    self.reason = told.text("reason") if header.get("reason") else None
                elif "positions" in header:
                    self.positions, self.began = told.positions("positions"), True
                else:
                    # Noted before the piece is handed out: what the reader has seen is never asked for again.
                    self._file, offset = told.text("file"), told.integer("offset")
                    self.positions[self._file], self.began = offset + len(payload), True
                    if payload:
                        self.bytes_read += len(payload)
                        yield Piece(self._file, offset, payload, header.get("rank") and told.integer("rank"))

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {"stage": self.stage, "follow": self.follow}
        if not self.began:
            params |= {"tail": self.tail, "since": self.since}
        if self.rank == "all":
            return params | ({"positions": self.positions} if self.began else {})
        return params | {"rank": self.rank, "file": self._file, "offset": self.positions.get(self._file or "", 0)}


def logs(
    run: str | None = None,
    *,
    stage: str | None = None,
    rank: Rank | None = None,
    tail: int | None = None,
    since: str | None = None,
    follow: bool = False,
    listener: Listener | None = None,
    records: Records | None = None,
) -> LogFollower:
    """The run's logs: all stages in order, one stage, one rank's own log, or those of all ranks as they come.

    `since`: what is older is left out; forms as `log_times.parse_since` says. With `tail` whichever begins later.
    Raises RunNotFound, and InputError for a time that is none.
    """
    begins = parse_since(since) if since is not None else None
    record = (records or Records()).find(run)
    return LogFollower(record, stage, rank, tail, begins, follow, listener)
