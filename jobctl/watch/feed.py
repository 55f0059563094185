"""Between the threads that hear of a run and the screen: the latest of everything, and the lines that are new."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from jobctl import api
from jobctl.api import Piece, RunView
from jobctl.errors import JobctlError
from jobctl.monitor.columns import Metrics
from jobctl.watch.curves import Measured, take
from jobctl.watch.log_lines import MOST_LINES, LineCutter
from jobctl.watch.words import OVER, Link, Run

_MOST_RUNS = 50


@dataclass(frozen=True)
class Known:
    """All that is known now. `seen_at`: when the host last answered for the run."""

    run: Run
    runs: tuple[Run, ...] = ()
    seen_at: float | None = None
    link: Link = field(default_factory=Link)
    measured: Measured = field(default_factory=Measured)
    open_line: str = ""


class Feed:
    """A `jobctl.api.Sink`. Memory stays the same however long the log: lines that nobody took in time are dropped."""

    def __init__(self, known: Known, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known = known
        self._cutter = LineCutter()
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._notes: deque[str] = deque(maxlen=20)

    def known(self) -> Known:
        """The same object as before where nothing is new."""
        return self._known

    def take_lines(self) -> list[str]:
        """The log's lines since the last call."""
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
        return lines

    def take_notes(self) -> list[str]:
        """What is to be told once."""
        with self._lock:
            notes = list(self._notes)
            self._notes.clear()
        return notes

    def connected(self) -> None:
        self._set(link=Link("live"))

    def lost(self, error: JobctlError, wait_s: float) -> None:
        self._set(link=Link("lost", error.what, self._clock() + wait_s))

    def seen(self, views: list[RunView]) -> None:
        """The first of them is the run that is shown."""
        first = views[0]
        runs = runs_of(views)
        self._set(
            run=replace(runs[0], age_s=None), runs=newest_first(views), seen_at=first.record.seen_at, link=Link("live")
        )

    def measured(self, metrics: Metrics) -> None:
        self._set(measured=take(metrics))

    def log(self, piece: Piece) -> None:
        lines = self._cutter.feed(piece.file, piece.data)
        with self._lock:
            self._lines.extend(lines)
        self._set(open_line=self._cutter.open_line())

    def note(self, message: str) -> None:
        with self._lock:
            self._notes.append(message)

    def over(self) -> None:
        self._set(link=Link("over"))

    def _set(self, **news: object) -> None:
        with self._lock:
            changed = replace(self._known, **news)  # type: ignore[arg-type]
            if changed != self._known:
                self._known = changed


def known_before(run_id: str) -> Known:
    """What this laptop knows of a run, before any host is asked."""
    views = [RunView(record, record.status or {"state": "STAGING"}, _age_s(record)) for record in api.known_runs()]
    mine = next(view for view in views if view.record.run_id == run_id)
    return Known(runs_of([mine])[0], newest_first(views), mine.record.seen_at)


def _age_s(record: Any) -> float | None:
    over = record.status is not None and record.status.get("state") in OVER
    return None if over or record.seen_at is None else time.time() - record.seen_at


def runs_of(views: Iterable[RunView]) -> list[Run]:
    """As the screen shows them."""
    return [Run(view.record.run_id, view.record.host_name, view.status, view.age_s) for view in views]


def newest_first(views: Iterable[RunView]) -> tuple[Run, ...]:
    """For the list of runs."""
    ordered = sorted(views, key=lambda view: (view.record.submitted_at, view.record.run_id), reverse=True)
    return tuple(runs_of(ordered[:_MOST_RUNS]))
