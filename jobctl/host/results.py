"""What a run left and the user wants back: listed with hashes, and sent from any byte on."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .control import read_job
from .files import read_json, write_json
from .frames import CHUNK
from .objects import hash_file
from .server import OpError, Request

RECORDS = ("job.json", "status.json", "events.jsonl", "metrics.jsonl", "environment.json")
"""Files of the run directory that every pull brings."""

_HASHES = ".artifact-hashes.json"


def find(run_dir: Path) -> List[Tuple[str, str]]:
    """(path relative to the run directory, artifact name) of all that may be pulled, sorted by path.

    Of Paddle's log directories only `workerlog.N`: its other files hold the whole environment, secrets included
    (paddlepaddle 3.3.1: envlog.N, backup_env.N.json, <job>.<pod>.log).
    """
    found: Dict[str, str] = {}
    for name in RECORDS:
        if (run_dir / name).is_file():
            found[name] = "records"
    for pattern in ("logs/*.log", "log/*/workerlog.*"):
        for log in run_dir.glob(pattern):
            if log.is_file() and not log.is_symlink():
                found[log.relative_to(run_dir).as_posix()] = "logs"
    job = read_job(run_dir) or {}
    for artifact in job.get("artifacts", []):
        for path in _expand(run_dir, artifact["path"]):
            found[path] = artifact["name"]
    return sorted(found.items())


def _expand(run_dir: Path, pattern: str) -> Iterator[str]:
    base = os.path.realpath(str(run_dir))
    for path in run_dir.glob(pattern):
        files = [path] if path.is_file() else (entry for entry in path.rglob("*") if entry.is_file())
        for file in files:
            inside = os.path.realpath(str(file)).startswith(base + os.sep)
            relative = file.relative_to(run_dir).as_posix()
            if inside and not relative.startswith(("log/", "secrets.json")):
                yield relative


def listing(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """Rows [path, size in bytes, SHA-256, artifact name]. Hashes are kept beside, keyed by size and time of change."""
    kept = read_json(run_dir / _HASHES) or {}
    rows: List[List[Any]] = []
    hashes: Dict[str, List[Any]] = {}
    for path, artifact in find(run_dir):
        file = run_dir / path
        try:
            info = file.stat()
            key = [info.st_size, info.st_mtime_ns, info.st_ino]
            known = kept.get(path)
            sha256 = known[3] if known and known[:3] == key else hash_file(file)
        except FileNotFoundError:
            continue  # removed meanwhile, as old checkpoints are
        hashes[path] = key + [sha256]
        rows.append([path, info.st_size, sha256, artifact])
        if not known or known[:3] != key:
            request.reply(hashed=path, size=info.st_size)
    if hashes != kept:
        write_json(run_dir / _HASHES, hashes)
    return {"rows": rows}


def send(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """The bytes of one file from `offset` on, in frames."""
    path = request.params["path"]
    if path not in dict(find(run_dir)):
        raise OpError("transfer", "not a file of this run that can be pulled: %s" % path)
    offset = int(request.params.get("offset") or 0)
    with open(str(run_dir / path), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OpError("transfer", "not a regular file: %s" % path)
        file.seek(offset)
        while not request.cancelled.is_set():
            piece = file.read(CHUNK)
            if not piece:
                return {"size": offset}
            request.reply(piece)
            offset += len(piece)
    return None
