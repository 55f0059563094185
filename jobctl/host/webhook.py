"""Tells a web address that a run is over: one POST of JSON, by a process of its own for which nobody waits.

The address may be a secret. It lies in `webhook.json` (0600) in the run directory, {"url", "host"}, and is removed once
the run is over; a run that is LOST keeps it, as it keeps its secrets. Whatever comes of it is a line of events.jsonl.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional, Tuple

from . import control, states
from .files import Json, append_line, read_json, write_json
from .locks import take_lock
from .names import WEBHOOK
from .server import OpError
from .socket_words import socket_words
from .webhook_words import make_message

PAUSES_S = (1.0, 5.0, 30.0, 120.0)  # before the second try, and so on
_TRY_S = 10.0  # for one try, whatever the server does
_SETTLE_S = 15.0
_PASSING = (408, 425, 429)


def main(run_dir: Path) -> int:
    """Tell of the end of the run. 0: somebody has heard it, or there is nothing to tell."""
    found = read_json(run_dir / WEBHOOK) or {}
    url = str(found.get("url") or "")
    status = _over(run_dir)
    if not url or status is None:
        return 0
    if status["state"] in states.FINAL:
        forget(run_dir)
    message = make_message(status, read_json(run_dir / "job.json") or {}, str(found.get("host") or ""))
    tries, problem = _tell(url, json.dumps(message).encode("utf-8"))
    facts: Json = {"to": place(url), "state": status["state"], "tries": tries}
    if problem is None:
        _record(run_dir, dict(facts, event="notified"))
        return 0
    _record(run_dir, dict(facts, event="notify_failed", reason=problem))
    _warn(run_dir, status, "nobody was told of its end: {}: {}".format(place(url), problem))
    return 1


def forget(run_dir: Path) -> None:
    """Remove the address."""
    with suppress(FileNotFoundError):
        try:
            (run_dir / WEBHOOK).unlink()
        except OSError as error:
            _record(run_dir, {"event": "secrets_left", "reason": error.strerror})


def place(url: str) -> str:
    """`https://hooks.example.com`: what of an address is no secret."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = ":{}".format(parts.port) if parts.port else ""
        return "{}://{}{}".format(parts.scheme, parts.hostname, port)
    except ValueError:
        return "its address"


def _over(run_dir: Path) -> Optional[Json]:
    """The status of a run that is over, or LOST: its last process may not have gone yet. None: it goes on."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        with suppress(OpError):
            found = control.status(run_dir)
            if found["state"] in states.FINAL or found["state"] == states.LOST:
                return found
        time.sleep(0.05)
    return None


def _tell(url: str, body: bytes) -> Tuple[int, Optional[str]]:
    """(how often it was tried, why nobody has heard it)."""
    problem: Optional[str] = None
    tries = 0
    for pause_s in (0.0,) + PAUSES_S:
        time.sleep(pause_s)
        tries += 1
        problem, passing = _post(url, body)
        if problem is None or not passing:
            break
    return tries, problem


def _post(url: str, body: bytes) -> Tuple[Optional[str], bool]:
    """(what was wrong, whether another try may help). No word of it holds the address."""
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "jobctl"}
    signal.signal(signal.SIGALRM, _too_late)  # a server that answers byte by byte is within every socket's time
    signal.setitimer(signal.ITIMER_REAL, _TRY_S)
    try:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (http, https)
        with _OPENER.open(request, timeout=_TRY_S):
            return None, False
    except urllib.error.HTTPError as error:
        error.close()
        return "it answers {}".format(error.code), error.code >= 500 or error.code in _PASSING
    except urllib.error.URLError as error:
        reason = error.reason
        return socket_words(reason, _TRY_S) if isinstance(reason, OSError) else "cannot be asked", True
    except OSError as error:
        return socket_words(error, _TRY_S), True
    except (http.client.HTTPException, ValueError) as error:
        return type(error).__name__, isinstance(error, http.client.HTTPException)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _too_late(signum: int, frame: Any) -> None:
    raise TimeoutError(110, "no answer within {:g} s".format(_TRY_S))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would become a GET, to somebody else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _record(run_dir: Path, event: Json) -> None:
    with suppress(OSError):  # a disk that is full, or a run that was removed meanwhile
        append_line(run_dir / "events.jsonl", dict({"at": round(time.time(), 3)}, **event))


def _warn(run_dir: Path, told: Json, text: str) -> None:
    """A warning in status.json, if the run still is where it was: nobody else writes there while we hold its lock."""
    if told["state"] not in states.FINAL:
        return
    with suppress(OSError):
        lock = take_lock(run_dir / "supervisor.lock", wait_s=5.0)
        if lock is None:
            return
        try:
            found = read_json(run_dir / "status.json") or {}
            if (found.get("state"), found.get("ended_at")) == (told["state"], told.get("ended_at")):
                warning = {"at": round(time.time(), 3), "kind": "notify", "text": text}
                write_json(run_dir / "status.json", dict(found, warnings=(found.get("warnings") or []) + [warning]))
        finally:
            os.close(lock)
