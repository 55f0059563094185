"""Pull: what a run left, to the laptop."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from jobctl.api.listener import Listener, Silent
from jobctl.api.runs import host_of
from jobctl.errors import ConnectionLost, InputError
from jobctl.laptop.records import Records
from jobctl.remote.connect import connect
from jobctl.remote.lanes import Lanes
from jobctl.remote.pull import Pulled, pull_run

_TRIES = 4


def pull(
    run: str | None = None,
    *,
    to: str | Path | None = None,
    only: Sequence[str] = (),
    listener: Listener | None = None,
    records: Records | None = None,
) -> Pulled:
    """Bring artifacts, logs and records of a run into `to` (default: `results/RUN`). Can be cut anywhere and run again.

    A connection that is lost in the middle is made again; each file goes on at the byte where it was cut.
    Raises RunNotFound, HostError, TransferError.
    """
    tell = listener or Silent()
    if to is not None and not str(to):
        raise InputError("an empty word names no target folder", hint="--to . is the folder where you are")
    record = (records or Records()).find(run)
    folder = Path(to) if to is not None else Path("results") / record.run_id
    for attempt in range(_TRIES):
        try:
            tell.note(f"connecting to {record.host_name}")
            with connect(host_of(record)) as channel, Lanes(channel, tell=tell.note) as lanes:
                tell.note("comparing what is there")
                return pull_run(lanes, record.run_id, folder, only, tell.progress, by=socket.gethostname())
        except ConnectionLost as error:
            if attempt == _TRIES - 1:
                raise
            tell.note(f"{error.what}; connecting again")
    raise AssertionError("unreachable")
