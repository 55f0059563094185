"""A run's metrics: what its training printed, and what its host and cards did meanwhile.

    found = api.series(run)
    found.metrics.train.x, found.metrics.train.columns["loss"]

For who looks again and again: `reader = MetricsReader(record)`, then `reader.update(channel)` over an open channel.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from jobctl.api.listener import Listener, Silent
from jobctl.api.runs import host_of
from jobctl.errors import HostError, HostProgramError, InputError, JobctlError
from jobctl.laptop.kept_metrics import KeptMetrics
from jobctl.laptop.records import Record, Records
from jobctl.monitor.columns import Metrics
from jobctl.remote.channel import HostChannel
from jobctl.remote.one_file import read_file

_WHOLE = 1 << 62


@dataclass(frozen=True)
class MetricsView:
    """`error`: the host could not be asked, so what is here is `age_s` old (None: nothing was ever brought here)."""

    record: Record
    metrics: Metrics
    age_s: float | None = None
    error: JobctlError | None = None


class MetricsReader:
    """A run's metrics as far as they are known here; only what is new travels."""

    def __init__(self, record: Record, kept: KeptMetrics | None = None) -> None:
        self.record = record
        self.metrics = Metrics()
        self._kept = kept or KeptMetrics(record.run_id)
        self._offset = 0
        self.read_kept()

    def read_kept(self) -> int:
        """Take in what another command has brought here. How many records that were."""
        data = self._kept.read(self._offset)
        self._offset += len(data)
        return self.metrics.feed(data)

    def update(self, channel: HostChannel) -> int:
        """Bring what is new since the last time. How many records that were.

        Raises what the channel raises, and InputError where this machine cannot keep them.
        """
        try:
            with self._kept.appending() as file:
                for piece in read_file(channel, self.record.run_id, "metrics.jsonl", file.tell(), _WHOLE):
                    file.write(piece)
        except OSError as error:
            raise InputError(
                f"cannot keep the metrics on this machine: {error.strerror}",
                where=str(self._kept.path),
                hint="JOBCTL_HOME names another folder for that",
            ) from None
        return self.read_kept()

    def age_s(self) -> float | None:
        """Seconds since the host was last asked; None: never."""
        seen_at = self._kept.seen_at()
        return None if seen_at is None else max(0.0, time.time() - seen_at)


def update_metrics(reader: MetricsReader) -> int:
    """Ask the run's host for what is new. How many records that were. Raises the HostErrors."""
    from jobctl.remote.connect import connect

    with connect(host_of(reader.record)) as channel:
        return reader.update(channel)


def series(run: str | None = None, *, listener: Listener | None = None, records: Records | None = None) -> MetricsView:
    """A run's metrics, fresh from its host; where that cannot be reached as they were last seen. Raises RunNotFound."""
    tell = listener or Silent()
    record = (records or Records()).find(run)
    reader = MetricsReader(record)
    try:
        tell.note(f"asking {record.host_name}")
        update_metrics(reader)
    except HostProgramError:  # it was reached, and is not what it should be
        raise
    except HostError as error:
        return MetricsView(record, reader.metrics, reader.age_s(), error)
    return MetricsView(record, reader.metrics)
