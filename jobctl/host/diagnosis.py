"""What a diagnosis needs of a run, in one answer: its status, its logs as far as they matter, facts of the host.

The stage that failed (or runs) counts, and its last attempt: its own log, each rank's, and CANN's (plog). Of Paddle's
log directory only `workerlog.N` is read: its other files hold the whole environment, secrets included.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from . import control, plog
from .attempt import stage_log_path, worker_log_dir
from .files import Json
from .server import Request
from .watch import worker_logs

_TAIL_BYTES = 512 << 10
_HEAD_BYTES = 256 << 10
_MOST_PLOGS = 48
_VERSIONS = (
    ("driver", "/usr/local/Ascend/driver/version.info"),
    ("CANN", "/usr/local/Ascend/ascend-toolkit/latest/version.cfg"),
)


class Piece(NamedTuple):
    """Some of a log: the end, of a plog the beginning, where the first error is."""

    file: str
    rank: Optional[int]
    data: bytes


def answer(request: Request, run_dir: Path) -> Dict[str, Any]:
    """Replies {file, rank} + bytes, a log each, the rank that failed first before the others; the last reply says
    {status, facts}. Raises OpError "no_run"."""
    status = control.status(run_dir)
    for piece in pieces(run_dir, status):
        if request.cancelled.is_set():
            break
        request.reply(piece.data, file=piece.file, rank=piece.rank)
    device = (control.read_job(run_dir) or {}).get("device")
    return {"status": status, "facts": dict(host_facts(run_dir), device=device)}


def pieces(run_dir: Path, status: Json) -> Iterator[Piece]:
    """The logs that matter, best first."""
    stage, attempt = _place(status)
    if stage is None:
        yield from _read([(run_dir / "supervisor.log", None)], run_dir)
        return
    first = (status.get("verdict") or {}).get("rank")
    workers = worker_logs(worker_log_dir(run_dir, stage, attempt))
    ordered = sorted(workers, key=lambda rank: (rank != first, rank))
    yield from _read([(workers[rank], rank) for rank in ordered], run_dir)
    yield from _read([(stage_log_path(run_dir, stage), None)], run_dir)
    plogs = plog.files(plog.folder(run_dir, stage, attempt))[:_MOST_PLOGS]
    yield from _read([(path, None) for path in plogs], run_dir, head=True)


def _place(status: Json) -> Tuple[Optional[str], int]:
    """The stage that matters, and its last attempt."""
    stages = status.get("stages") or []
    told = (status.get("verdict") or {}).get("stage") or status.get("stage")
    found = [one for one in stages if one.get("name") == told]
    return (told, int(found[0].get("attempts") or 1)) if found else (None, 1)


def _read(paths: List[Tuple[Path, Optional[int]]], run_dir: Path, head: bool = False) -> Iterator[Piece]:
    for path, rank in paths:
        try:
            descriptor = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb") as handle:
            if not head:
                handle.seek(max(0, handle.seek(0, os.SEEK_END) - _TAIL_BYTES))
            data = handle.read(_HEAD_BYTES if head else _TAIL_BYTES)
        if data:
            yield Piece(path.relative_to(run_dir).as_posix(), rank, data)


def host_facts(run_dir: Path) -> Json:
    """Facts that explain failures: room on the disk and in /dev/shm, versions of driver and CANN. None: unknown."""
    facts: Json = {"disk_free_bytes": _space(str(run_dir))[0], "shm_size_bytes": _space("/dev/shm")[1]}  # noqa: S108
    for name, path in _VERSIONS:
        facts[name] = _version(path)
    return facts


def _space(path: str) -> Tuple[Optional[int], Optional[int]]:
    try:
        found = os.statvfs(path)
    except OSError:
        return None, None
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _version(path: str) -> Optional[str]:
    """The value of the first line `Version=...`; CANN's own files have a list in brackets."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            lines = handle.read(4096).splitlines()
    except OSError:
        return None
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and "version" in name.lower():
            return value.strip(" []\t")[:60]
    return None
