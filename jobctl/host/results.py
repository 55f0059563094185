"""What a run left and the user wants back: listed with hashes, and sent from any byte on."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import re
import stat
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Set, Tuple

from . import mirrored, states
from .control import read_job, status
from .files import Json, read_json, write_json
from .frames import CHUNK
from .names import WEBHOOK
from .objects import hash_file
from .pack import FRAME, Pack
from .removal import GONE
from .rotate import RotatedLog
from .server import OpError, Request

RECORDS = ("job.json", "status.json", "events.jsonl", "metrics.jsonl", "environment.json")
"""Files of the run directory that every pull brings."""

PULLED = "pulled.json"
"""In the run directory: when all was pulled last, by whom, and how the run had ended by then."""

_HASHES = ".artifact-hashes.json"
_ROWS = 1000  # in one reply; a frame's header has a limit
_LOGS = ("logs/*.log", "logs/*.hang-*.txt", "log/*/workerlog.*")
_STAGE_LOG = re.compile(r"logs/[^/]+\.log\Z")
_WORKER_LOG = re.compile(r"log/[^/]+/workerlog\.\d+\Z")


def find(run_dir: Path) -> List[Tuple[str, str]]:
    """(path relative to the run directory, artifact name) of all that may be pulled, sorted by path."""
    found: Dict[str, str] = {}
    for name, pattern in _patterns(run_dir):
        for path in run_dir.glob(pattern):
            files = [path] if path.is_file() else (entry for entry in path.rglob("*") if entry.is_file())
            for file in files:
                if _may_leave(run_dir, file):
                    found[file.relative_to(run_dir).as_posix()] = name
    return sorted(found.items())


def _patterns(run_dir: Path) -> List[Tuple[str, str]]:
    """(artifact name, glob); of several that match a file the last counts."""
    patterns = [("records", name) for name in RECORDS] + [("logs", glob) for glob in _LOGS]
    job = read_job(run_dir) or {}
    return patterns + [(artifact["name"], artifact["path"]) for artifact in job.get("artifacts", [])]


def checkpoints(run_dir: Path) -> Dict[str, Any]:
    """What `pull --follow` brings: rows as those of `listing`, with the checkpoint's folder as the name."""
    over = _over(run_dir)  # first: see `listing`
    return {"rows": [row for row in mirrored.rows(run_dir) if _may_leave(run_dir, run_dir / row[0])], "over": over}


def _may_leave(run_dir: Path, file: Path) -> bool:
    """Whether a file is the run's own and no secret, wherever links lead.

    Of Paddle's log directories only `workerlog.N`: its other files hold the whole environment, secrets included
    (paddlepaddle 3.3.1: envlog.N, backup_env.N.json, <job>.<pod>.log).
    """
    if any(
        part.startswith(GONE) for part in file.relative_to(run_dir).parts
    ):  # a checkpoint that is just being removed
        return False
    inside = os.path.relpath(os.path.realpath(str(file)), os.path.realpath(str(run_dir)))
    if inside.startswith("log/"):
        return _WORKER_LOG.match(inside) is not None
    return inside not in ("secrets.json", WEBHOOK) and inside.split("/")[0] != ".."


def can_be_pulled(run_dir: Path, path: str) -> bool:
    """Whether this is the path of a file that a laptop may have, there or not."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or not _may_leave(run_dir, run_dir / path):
        return False
    patterns = [pattern for _, pattern in _patterns(run_dir)]
    for spec in mirrored.specs(run_dir):
        patterns += [spec["path"]] + ([glob.escape(spec["best"])] if spec.get("best") else [])
    return any(_matches(parts, pattern.split("/")) for pattern in patterns)


def _matches(parts: List[str], pattern: List[str]) -> bool:
    """Whether a path, or a folder above it, matches a glob."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[at:], pattern[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def listing(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """Rows [path, "f" or "x" (executable), size in bytes, SHA-256, artifact name], in several replies when they are
    many. Checkpoints that are not complete are left out. The last one has `empty` too: the artifacts that no file
    belongs to; and `over`, how the run had ended before it was listed.

    Hashes are kept beside, keyed by size and time of change. What has to be hashed first takes a while: before it, a
    reply announces large files as `large`, rows [path, size in bytes, artifact name].
    """
    over = _over(run_dir)  # before the files are looked at: they do not change after it
    kept = read_json(run_dir / _HASHES) or {}
    rows: List[List[Any]] = []
    hashes: Dict[str, List[Any]] = {}
    half = mirrored.half(run_dir)
    found = [row for row in find(run_dir) if not half.intersection(_above(row[0]))]
    large = list(islice(_large_unhashed(run_dir, found, kept), _ROWS))
    if large:
        request.reply(large=large)
    for path, artifact in found:
        file = run_dir / path
        try:
            info = file.stat()
            key = [info.st_size, info.st_mtime_ns, info.st_ino]
            known = kept.get(path)
            known = known if isinstance(known, list) and len(known) == 4 else None
            sha256 = known[3] if known and known[:3] == key else _hash(path, file, info.st_size)
        except FileNotFoundError:
            continue  # removed meanwhile, as old checkpoints are
        hashes[path] = key + [sha256]
        rows.append([path, "x" if info.st_mode & 0o111 else "f", info.st_size, sha256, artifact])
        if not known or known[:3] != key:
            request.reply(hashed=path, size=info.st_size)
        if len(rows) == _ROWS:
            request.reply(rows=rows)
            rows = []
    if hashes != kept:
        with suppress(OSError):  # results can be pulled from a full disk too; then they are hashed again the next time
            write_json(run_dir / _HASHES, hashes)
    return {"rows": rows, "over": over, "empty": _without_files(run_dir, {name for _, name in found})}


def _large_unhashed(run_dir: Path, found: List[Tuple[str, str]], kept: Json) -> Iterator[List[Any]]:
    for path, artifact in found:
        if path not in kept:
            with suppress(OSError):
                size = os.stat(str(run_dir / path)).st_size
                if size > FRAME:
                    yield [path, size, artifact]


def _above(path: str) -> List[str]:
    """The folders that a path goes through."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def over_mark(found: Json) -> Optional[List[Any]]:
    """How and when a run ended, as a mark of that end; None while it is not over. A resume makes it another."""
    if found.get("state") in states.FINAL or found.get("state") == states.LOST:
        return [found["state"], found.get("ended_at") or found.get("updated_at")]
    return None


def _over(run_dir: Path) -> Optional[List[Any]]:
    try:
        return over_mark(status(run_dir))
    except OpError:  # of a damaged run can be pulled what is there
        return None


def note_pulled(request: Request, run_dir: Path) -> Dict[str, Any]:
    """A laptop has all that was listed. Parameters: over (as the listing said), by (who). `gc` goes by it."""
    over = request.params.get("over")
    if not isinstance(over, list) or over != _over(run_dir):
        return {"noted": False}  # it has been resumed meanwhile
    note = {"at": round(time.time(), 3), "by": str(request.params.get("by")), "over": over}
    try:
        write_json(run_dir / PULLED, note)
    except OSError:  # results can be pulled from a full disk too; then `gc` keeps the run until the next pull
        return {"noted": False}
    return {"noted": True}


def _hash(path: str, file: Path, size: int) -> str:
    if not _is_log(path):
        return hash_file(file, size)
    digest = hashlib.sha256()
    for piece in _log_pieces(file, 0, size):
        digest.update(piece)
    return digest.hexdigest()


def _is_log(path: str) -> bool:
    """Whether a file may have been rotated; no other is looked at so."""
    return _STAGE_LOG.match(path) is not None or _WORKER_LOG.match(path) is not None


def _log_pieces(file: Path, offset: int, size: int) -> Iterator[bytes]:
    log = RotatedLog(file)
    try:
        while offset < size:
            piece = log.read(offset, min(CHUNK, size - offset))
            if not piece:
                return
            yield piece
            offset += len(piece)
    finally:
        log.close()


def _without_files(run_dir: Path, there: Set[str]) -> List[List[str]]:
    """[artifact name, its glob] of the artifacts that no file belongs to."""
    job = read_json(run_dir / "job.json") or {}
    return [[entry["name"], entry["path"]] for entry in job.get("artifacts", []) if entry["name"] not in there]


def fetch(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """Ranges of files, packed: parameter `files`, rows [path, from this byte on, up to that one, size of the file].

    Replies are frames of `pack`. What a log has grown by meanwhile is not sent. The last reply names in `short` the
    rows that ended too early: files that became shorter, or were removed as old checkpoints are.
    """
    pack = Pack(lambda payload, parts: request.reply(payload, parts=parts))
    short = []
    for row, (path, start, end, size) in enumerate(request.params["files"]):
        if not can_be_pulled(run_dir, path):
            raise OpError("transfer", "not a file of this run that can be pulled: %s" % path)
        at = int(start)
        try:
            with open(str(run_dir / path), "rb", buffering=0) as handle:
                if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                    raise OpError("transfer", "not a regular file: %s" % path)
                is_log = _is_log(path)
                if not is_log and os.fstat(handle.fileno()).st_size != size:
                    short.append(row)
                    continue
                for piece in _log_pieces(run_dir / path, at, end) if is_log else _pieces(handle, at, end):
                    pack.add(row, piece)
                    at += len(piece)
                    if request.cancelled.is_set():
                        return None
        except FileNotFoundError:
            pass
        if at < end:
            short.append(row)
    pack.flush()
    return {"short": short}


def _pieces(handle: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    handle.seek(offset)
    while offset < size:
        piece = handle.read(min(FRAME, size - offset))
        if not piece:
            return
        yield piece
        offset += len(piece)
