"""Small files that are always whole: written beside, synced, renamed; and files of one JSON object a line."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any, Dict, Optional

Json = Dict[str, Any]


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` under `path` so that a reader sees the old file or the new one, never a part, even after a power cut.

    `mode` is subject to the umask. Raises OSError (ENOSPC, EDQUOT, EACCES); the old file is then untouched.
    """
    beside = path.parent / ".{}.{}.{}.part".format(path.name[:200], os.getpid(), threading.get_ident())
    _unlink(beside)
    descriptor = os.open(str(beside), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(str(beside), str(path))
    except BaseException:
        _unlink(beside)
        raise
    sync_folder(path.parent)


def write_json(path: Path, obj: Any, mode: int = 0o644) -> None:
    """`write_bytes` of one JSON document. Floats that JSON does not know (nan, inf) raise ValueError."""
    write_bytes(path, json.dumps(obj, allow_nan=False).encode("ascii") + b"\n", mode)


def read_json(path: Path) -> Optional[Json]:
    """The object in `path`; None when the file is missing or is not a JSON object."""
    try:
        found = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError, RecursionError):  # the last: brackets in brackets without end
        return None
    return found if isinstance(found, dict) else None


def append_line(path: Path, obj: Any) -> None:
    """Add one JSON object as a line, in one write: lines of several writers do not mix."""
    line = json.dumps(obj, allow_nan=False).encode("ascii") + b"\n"
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last. File systems that cannot sync a folder (some NFS) are left to themselves."""
    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        pass
