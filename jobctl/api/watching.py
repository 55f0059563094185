"""One run as it goes on, over one connection: status, metrics and log; made again by itself when it is lost.

watch = RunWatch(record, sink)
watch.open()                                   # here somebody may be asked for a password
watch.start()
...
watch.close()
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from jobctl.api.listener import Listener
from jobctl.api.logs import LogFollower, Piece
from jobctl.api.metrics import MetricsReader
from jobctl.api.reporting import Reported, report
from jobctl.api.results import pull
from jobctl.api.runs import RunView, ask_over, cancel, host_of, is_final
from jobctl.errors import ConnectError, ConnectionLost, InputError, JobctlError
from jobctl.host.states import FINAL, LOST
from jobctl.laptop.records import Record, Records
from jobctl.monitor.columns import Metrics
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect, using
from jobctl.remote.pull import Pulled

LOOK_S = 2.0
_LONGEST_LOOK_S = 30.0
_OF_THE_LINK = 10  # questions take at most a tenth of the time, so also of a slow link
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_TAIL_LINES = 500
_GOODBYE_S = 2.0  # somebody who connects in vain is not waited for


class Sink(Protocol):
    """Who is told, in threads of the watch."""

    def connected(self) -> None: ...

    def lost(self, error: JobctlError, wait_s: float) -> None:
        """There is no connection; the next try is in `wait_s`. What the run does is not known meanwhile."""

    def seen(self, views: list[RunView]) -> None:
        """This run, then all others of this laptop: those of the same host as they are now, the rest as last seen."""

    def measured(self, metrics: Metrics) -> None:
        """There are new metrics; they change again after the call."""

    def log(self, piece: Piece) -> None: ...

    def note(self, message: str) -> None: ...

    def over(self) -> None:
        """The run is in a final state, all of it has been told, and the connection is closed."""


class RunWatch:
    """Nothing of it stays on the host: what answers there ends with the connection."""

    def __init__(self, record: Record, sink: Sink, records: Records | None = None) -> None:
        self.record = record
        self._book = records or Records()
        self._sink = sink
        self._host = host_of(record)
        self._follower = LogFollower(record, tail=_TAIL_LINES, follow=True)
        self._channel: HostChannel | None = None
        self._stack = ExitStack()
        self._thread = threading.Thread(target=self._run, daemon=True, name="jobctl-watch")
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._tries = 0
        self._reader: MetricsReader | None = None
        self._keeps_metrics = True

    def open(self) -> None:
        """Connect, as long as somebody can be asked. A host that is away is no error: it is tried again after `start`.

        Raises what else stands in the way: a host key, a login that is not accepted.
        """
        try:
            self._channel = self._stack.enter_context(connect(self._host))
        except (ConnectError, ConnectionLost) as error:
            self._sink.lost(error, 0.0)

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def start(self) -> None:
        """Tell the sink, in threads of its own, until the run is over and all of it was told, or `close`."""
        self._thread.start()

    def _run(self) -> None:
        self._reader = MetricsReader(self.record)
        self._sink.measured(self._reader.metrics)
        while not self._closed.is_set():
            try:
                with self._connected() as channel:
                    self._sink.connected()
                    over = self._look(channel)
                if over:
                    self._sink.over()
                    return
            except JobctlError as error:
                if self._closed.is_set():
                    return
                wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._tries, 10)) * random.uniform(0.5, 1.0)
                self._tries += 1
                self._sink.lost(error, wait_s)
                self._closed.wait(wait_s)

    def close(self) -> None:
        """End it, from any thread; the run goes on."""
        self._closed.set()
        self._wake.set()
        channel = self._channel
        if channel is not None:
            channel.close()
        if self._thread.is_alive():
            self._thread.join(_GOODBYE_S)

    def cancel(self) -> RunView:
        """As `api.cancel`, over the connection that is there."""
        with self._shared():
            view = cancel(self.record.run_id, records=self._book)
        self._wake.set()
        return view

    def pull(self, listener: Listener) -> Pulled:
        """As `api.pull`, to `results/RUN`."""
        with self._shared():
            return pull(self.record.run_id, listener=listener, records=self._book)

    def report(self, listener: Listener) -> Reported:
        """As `api.report`, to `report-RUN.html`."""
        with self._shared():
            return report([self.record.run_id], listener=listener, records=self._book)

    def _shared(self) -> AbstractContextManager[None]:
        return using(self._host, self._channel)

    @contextmanager
    def _connected(self) -> Iterator[HostChannel]:
        with self._stack:
            if self._channel is None:
                self._channel = self._stack.enter_context(connect(self._host, ask=False))
            try:
                yield self._channel
            finally:
                self._channel = None

    def _look(self, channel: HostChannel) -> bool:
        """Tell what there is, again and again. True: the run is over."""
        log = threading.Thread(target=self._read_log, args=(channel,), daemon=True, name="jobctl-watch-log")
        log.start()
        while not self._closed.is_set():
            self._wake.clear()
            began = time.monotonic()
            told_all = self._follower.state is not None or not log.is_alive()
            final = self._ask(channel)
            self._tries = 0
            if final and told_all:
                return True
            self._wake.wait(min(_LONGEST_LOOK_S, max(LOOK_S, _OF_THE_LINK * (time.monotonic() - began))))
        return False

    def _ask(self, channel: HostChannel) -> bool:
        """One round of questions. Whether the run is in a final state."""
        known = [record for record in self._book.all() if record.run_id != self.record.run_id]
        others = [record for record in known if record.host == self.record.host and not is_final(record)]
        failed = ask_over(channel, [self.record, *others], self._book)
        asked = {record.run_id for record in (self.record, *others)} - set(failed)
        now = time.time()
        self._sink.seen(
            [
                RunView(
                    record,
                    record.status or {"state": "STAGING"},
                    _age_s(record, now) if record.run_id not in asked else None,
                    failed.get(record.run_id),
                )
                for record in (self.record, *known)
            ]
        )
        self._measure(channel)
        return (self.record.status or {}).get("state") in (*FINAL, LOST)

    def _measure(self, channel: HostChannel) -> None:
        if not self._keeps_metrics or self._reader is None:
            return
        try:
            if self._reader.update(channel):
                self._sink.measured(self._reader.metrics)
        except InputError as error:  # this machine's disk is full: the rest goes on
            self._keeps_metrics = False
            self._sink.note(f"no curves: {error.what}")

    def _read_log(self, channel: HostChannel) -> None:
        try:
            for piece in self._follower.read_over(channel):
                self._sink.log(piece)
        except ConnectionLost:
            pass  # who asks for the status meets it too
        except JobctlError as error:
            self._sink.note(f"no log: {error.what}")
        self._wake.set()


def _age_s(record: Record, now: float) -> float | None:
    """How old what is known of an unfinished run is; of one that has ended it is for ever."""
    return now - record.seen_at if record.seen_at and not is_final(record) else None
