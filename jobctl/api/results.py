"""Pull: what a run left, to the laptop."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jobctl.api.event_files import check_writers, write_event_files
from jobctl.api.listener import Listener, Silent
from jobctl.api.metrics import MetricsReader
from jobctl.api.runs import host_of
from jobctl.errors import ConnectError, ConnectionLost, InputError
from jobctl.laptop.records import Record, Records
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.remote.lanes import Lanes
from jobctl.remote.mirror import mirror_checkpoints
from jobctl.remote.pull import Pulled, local_errors, pull_run
from jobctl.remote.rate import RateLimit

_TRIES = 4
_LOOK_S = 2.0
_LONGEST_WAIT_S = 30.0


def pull(
    run: str | None = None,
    *,
    to: str | Path | None = None,
    only: Sequence[str] = (),
    event_files: Sequence[str] = (),
    limit_bytes_s: int | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
) -> Pulled:
    """Bring artifacts, logs and records of a run into `to` (default: `results/RUN`). Can be cut anywhere and run again.

    `event_files`: the run's metrics also as files of "tensorboard", "visualdl", in folders of these names.
    A connection that is lost in the middle is made again; each file goes on where it was cut. `limit_bytes_s`: of all
    connections together. Raises RunNotFound, HostError, TransferError.
    """
    tell = listener or Silent()
    check_writers(event_files)
    record, folder = _find(run, to, records)
    limit = RateLimit(limit_bytes_s)
    for attempt in range(_TRIES):
        try:
            tell.note(f"connecting to {record.host_name}")
            with connect(host_of(record)) as channel, Lanes(channel, limit, tell.note) as lanes:
                tell.note("comparing what is there")
                pulled = pull_run(lanes, record.run_id, folder, only, tell.progress, by=socket.gethostname())
                if not event_files:
                    return pulled
                tell.note(f"writing the metrics for {' and '.join(event_files)}")
                return _with_event_files(pulled, record, channel, event_files)
        except ConnectionLost as error:
            if attempt == _TRIES - 1:
                raise
            tell.note(f"{error.what}; connecting again")
    raise AssertionError("unreachable")


def follow(
    run: str | None = None,
    *,
    to: str | Path | None = None,
    only: Sequence[str] = (),
    event_files: Sequence[str] = (),
    limit_bytes_s: int | None = None,
    listener: Listener | None = None,
    records: Records | None = None,
) -> Pulled:
    """Bring each checkpoint as it becomes complete, until the run is over; then what `pull` brings.

    Connections that are lost are made again for as long as it takes, once the first one has stood. Nothing here is
    removed when the training removes it there. Raises as `pull`.
    """
    tell = listener or Silent()
    check_writers(event_files)
    record, folder = _find(run, to, records)
    limit = RateLimit(limit_bytes_s)
    tries, over, has_stood = 0, False, False
    while not over:
        try:
            with connect(host_of(record)) as channel:
                tries, has_stood = 0, True
                tell.note(f"following {record.run_id} on {record.host_name}: checkpoints are brought as they appear")
                while not over:
                    with Lanes(channel, limit, tell.note) as lanes:
                        over = mirror_checkpoints(lanes, record.run_id, folder, tell.note, tell.progress)
                    time.sleep(0.0 if over else _LOOK_S)
        except (ConnectionLost, ConnectError) as error:
            if not has_stood:  # a host that never answered is an answer
                raise
            tries += 1
            wait_s = min(_LONGEST_WAIT_S, 0.5 * 2.0 ** min(tries, 8)) * random.uniform(0.5, 1.0)
            tell.note(f"{error.what}; connecting again in {wait_s:.0f} s (the run goes on)")
            time.sleep(wait_s)
    tell.note("the run is over")
    return pull(
        record.run_id,
        to=folder,
        only=only,
        event_files=event_files,
        limit_bytes_s=limit_bytes_s,
        listener=listener,
        records=records,
    )


def _with_event_files(pulled: Pulled, record: Record, channel: HostChannel, tools: Sequence[str]) -> Pulled:
    reader = MetricsReader(record)
    reader.update(channel)
    with local_errors(pulled.folder):
        return replace(pulled, event_files=write_event_files(record, reader.metrics, pulled.folder, tools))


def _find(run: str | None, to: str | Path | None, records: Records | None) -> tuple[Record, Path]:
    if to is not None and not str(to):
        raise InputError("an empty word names no target folder", hint="--to . is the folder where you are")
    record = (records or Records()).find(run)
    return record, Path(to) if to is not None else Path("results") / record.run_id
