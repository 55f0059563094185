"""The routes. Everything that talks to a host does so in a thread.

GET  /                    the page                       GET /page/NAME   its scripts and styles
GET  /events?run=&rank=   server-sent events (feed.py)   GET /log?...     an earlier part of a log
GET  /report?run=         the report of a run            POST /runs/ID/pull, /runs/ID/cancel
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from jobctl import api
from jobctl.errors import InputError, JobctlError, RunNotFound
from jobctl.monitor.page import asset
from jobctl.ui.actions import KINDS
from jobctl.ui.feed import Feed, Wish
from jobctl.ui.hub import Hub

_OURS = ("ui.css", "ui.js", "log.js", "tables.js", "icon.svg")
_OF_THE_REPORT = ("uPlot.min.css", "uPlot.iife.min.js", "report.css", "charts.js")
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MOST_PAGES = 40
_LARGEST_PART = 1 << 20
# Its own policy stands in the report. It gets an origin of its own: whatever a run has said, it asks for nothing here.
_REPORT_POLICY = "sandbox allow-scripts allow-downloads allow-popups; frame-ancestors 'none'"


class Site:
    """What the routes have in common."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._feeds: set[Feed] = set()

    def make_app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/page/{name}", self.file),
                Route("/events", self.events),
                Route("/log", self.log),
                Route("/report", self.report),
                Route("/runs/{run_id}/{kind}", self.act, methods=["POST"]),
            ],
            exception_handlers={RunNotFound: _not_found, InputError: _bad, JobctlError: _failed},  # type: ignore[dict-item]
        )

    def end_feeds(self) -> None:
        for feed in list(self._feeds):
            feed.end()

    async def page(self, request: Request) -> Response:
        return Response(_own("index.html"), media_type="text/html")

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name in _OURS:
            text = _own(name)
        elif name in _OF_THE_REPORT:
            text = asset(f"vendor/uplot/{name}" if name.startswith("uPlot") else name)
        else:
            raise HTTPException(404)
        return Response(text, media_type=_KINDS[Path(name).suffix])

    async def events(self, request: Request) -> Response:
        if len(self._feeds) >= _MOST_PAGES:
            raise HTTPException(503, "too many pages are open")
        run_id = request.query_params.get("run") or None
        if run_id is not None:
            run_id = (await self._record(run_id)).run_id
        given = request.headers.get("last-event-id") or request.query_params.get("after") or "{}"
        feed = Feed(self._hub, Wish(run_id, _rank(request), _after(given)))
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(self._events(feed), media_type="text/event-stream", headers=headers)

    async def _events(self, feed: Feed) -> AsyncIterator[bytes]:
        self._feeds.add(feed)
        try:
            async for event in feed.events():
                yield event
        finally:
            self._feeds.discard(feed)

    async def log(self, request: Request) -> Response:
        """The bytes of `file` from `start` to `end`."""
        record = await self._record(request.query_params.get("run", ""))
        start, end = (_number(request, name) for name in ("start", "end"))
        if not 0 < end - start <= _LARGEST_PART:
            raise InputError("no such part of a log", value=f"{start} to {end}")
        file = request.query_params.get("file", "")
        data = await asyncio.to_thread(self._part, record, _rank(request), file, start, end)
        return Response(data, media_type="application/octet-stream")

    def _part(self, record: Any, rank: Any, file: str, start: int, end: int) -> bytes:
        follower = api.LogFollower(record, rank=rank, positions={file: start}, file=file, began=True)
        found = bytearray()
        with self._hub.channels.used():
            for piece in follower:
                if piece.file != file:
                    break
                found += piece.data
                if len(found) >= end - start:
                    break
        return bytes(found[: end - start])

    async def report(self, request: Request) -> Response:
        record = await self._record(request.query_params.get("run", ""))
        text = await asyncio.to_thread(self._report, record.run_id)
        headers = {"content-security-policy": _REPORT_POLICY, "cross-origin-opener-policy": "same-origin"}
        return Response(text, media_type="text/html", headers=headers)

    def _report(self, run_id: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="jobctl-ui-") as folder, self._hub.channels.used():
            return api.report([run_id], to=Path(folder) / "report.html").file.read_bytes()

    async def act(self, request: Request) -> Response:
        record = await self._record(request.path_params["run_id"])
        kind = request.path_params["kind"]
        if kind not in KINDS:
            raise HTTPException(404)
        started = self._hub.actions.start(kind, record.run_id)
        return JSONResponse({"started": started}, status_code=202 if started else 409)

    async def _record(self, run_id: str) -> Any:
        """Of the run of this very id. Raises RunNotFound."""
        record = await asyncio.to_thread(api.known_run, run_id)
        if record.run_id != run_id:
            raise RunNotFound("no such run on this machine", value=run_id)
        return record


def _own(name: str) -> str:
    return (resources.files("jobctl.ui") / "page" / name).read_text(encoding="utf-8")


def _rank(request: Request) -> int | str | None:
    word = request.query_params.get("rank") or ""
    if word in ("", "all"):
        return word or None
    if word.isascii() and word.isdigit() and len(word) < 7:
        return int(word)
    raise InputError("not a rank: 0, 1, ... or all", value=word)


def _number(request: Request, name: str) -> int:
    word = request.query_params.get(name, "")
    if word.isascii() and word.isdigit() and len(word) < 16:
        return int(word)
    raise InputError(f"{name} is no number", value=word)


def _after(word: str) -> dict[str, Any]:
    """An id that the page was given; what is none is as if there were none."""
    try:
        found = json.loads(word)
        positions = found["positions"]
        whole = all(type(offset) is int and offset >= 0 for offset in positions.values())
        return found if whole and isinstance(found.get("file"), str | None) else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


async def _not_found(request: Request, error: JobctlError) -> Response:
    return PlainTextResponse(error.what, status_code=404)


async def _bad(request: Request, error: JobctlError) -> Response:
    return PlainTextResponse(error.what, status_code=400)


async def _failed(request: Request, error: JobctlError) -> Response:
    where = f" ({error.where})" if error.where else ""
    return PlainTextResponse(f"{error.what}{where}", status_code=502)
