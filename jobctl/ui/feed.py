"""What one page is sent: server-sent events, until it goes away.

hub     {"runs", "hosts", "actions"}: all that the page's tables show, whenever something in it has changed
curves  {"figures", "findings", "charts", "host_charts", "classes"} of the page's run
log     {"file", "offset", "rank", "bytes"}: base64, since a piece may end within a character. Its id says where each
        log is read from next: with it (`Last-Event-ID`) a page that was cut off goes on there, each byte once
log-end {"state", "reason"}
log-note, curves-note  a sentence
beat    nothing; so that a page sees that the line is alive
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jobctl import api
from jobctl.errors import JobctlError
from jobctl.ui import rows
from jobctl.ui.hub import Hub

BEAT_S = 10.0
_QUEUED = 32
_AT_MOST_EVERY_S = 0.25
_LOOK_S = 2.0
_LOOK_AGAIN_S = 20.0  # at a run that is over, or a host that is away
_TAIL_LINES = {True: 400, False: 2000}  # of each of all ranks; of one log


@dataclass(frozen=True)
class Wish:
    """What the page shows. `after`: the id of the last log event that it has had."""

    run_id: str | None = None
    rank: int | str | None = None
    after: dict[str, Any] = field(default_factory=dict)


class Feed:
    """Iterate `events`; leaving it ends the threads that read for it within a second."""

    def __init__(self, hub: Hub, wish: Wish) -> None:
        self._hub = hub
        self._wish = wish
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED)
        self._stirred = asyncio.Event()
        self._stopped = threading.Event()

    async def events(self) -> AsyncIterator[bytes]:
        stir = self._stir
        self._hub.listen(stir)
        self._stirred.set()
        overview = asyncio.create_task(self._overview())
        if self._wish.run_id is not None:
            self._start(self._curves)
            self._start(self._log)
        try:
            yield b"retry: 1000\n\n"
            while True:
                try:
                    event = await asyncio.wait_for(self._queue.get(), BEAT_S)
                except asyncio.TimeoutError:
                    event = _event("beat", {})
                if event is None:
                    return
                yield event
        finally:
            self._stopped.set()
            overview.cancel()
            self._hub.leave(stir)

    def end(self) -> None:
        """The server ends: so does this."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    def _stir(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stirred.set)

    async def _overview(self) -> None:
        last = b""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            event = _event("hub", await asyncio.to_thread(self._hub.as_data))
            if event != last:
                last = event
                await self._queue.put(event)
            await asyncio.sleep(_AT_MOST_EVERY_S)

    def _start(self, work: Callable[[], None]) -> None:
        def within() -> None:
            with self._hub.channels.used():
                work()

        threading.Thread(target=within, daemon=True, name=f"jobctl-ui{work.__name__}").start()

    def _put(self, name: str, data: Any, event_id: str | None = None) -> None:
        """From a thread; waits while the page is behind, unless it is gone."""
        if self._stopped.is_set():
            return
        putting = asyncio.run_coroutine_threadsafe(self._queue.put(_event(name, data, event_id)), self._loop)
        while not self._stopped.is_set():
            with suppress(NotYet):
                putting.result(0.5)
                return
        putting.cancel()

    def _curves(self) -> None:
        record = self._hub.view(str(self._wish.run_id)).record
        reader = api.MetricsReader(record)
        shown: Any = None
        while not self._stopped.is_set():
            wait_s, note = _LOOK_S, ""
            try:
                api.update_metrics(reader)
            except JobctlError as error:
                wait_s, note = _LOOK_AGAIN_S / 4, f"cannot ask the host: {error.what}"
            view = self._hub.view(record.run_id)
            now = (reader.metrics.records, view.status.get("state"), note)
            if now != shown:
                shown = now
                self._put("curves", {**rows.run_curves(view, reader.metrics), "note": note})
            if view.status.get("state") in rows.FINAL:
                wait_s = _LOOK_AGAIN_S
            self._stopped.wait(wait_s)

    def _log(self) -> None:
        record = self._hub.view(str(self._wish.run_id)).record
        every = self._wish.rank == "all"
        follower = api.LogFollower(record, rank=self._wish.rank, tail=_TAIL_LINES[every], follow=True)  # type: ignore[arg-type]
        follower.stopped, follower.listener = self._stopped, self
        if positions := self._wish.after.get("positions"):
            follower.positions, follower.file, follower.began = positions, self._wish.after.get("file"), True
        while not self._stopped.is_set():
            try:
                for piece in follower:
                    self._put("log", _piece(piece), _place(follower, piece, every))
                if follower.state is not None:
                    self._put("log-end", {"state": follower.state, "reason": follower.reason})
                return
            except JobctlError as error:
                self.note(f"cannot read the log: {error.what}")
                self._stopped.wait(_LOOK_S)

    def note(self, message: str) -> None:
        self._put("log-note", {"note": message})

    def progress(self, label: str, done: int, total: int) -> None:
        """A log has none."""


def _piece(piece: api.Piece) -> dict[str, Any]:
    data = base64.b64encode(piece.data).decode()
    return {"file": piece.file, "offset": piece.offset, "rank": piece.rank, "bytes": data}


def _place(follower: api.LogFollower, piece: api.Piece, every: bool) -> str:
    positions = follower.positions if every else {piece.file: piece.offset + len(piece.data)}
    return json.dumps({"file": None if every else piece.file, "positions": positions}, separators=(",", ":"))


def _event(name: str, data: Any, event_id: str | None = None) -> bytes:
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
