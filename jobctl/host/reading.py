"""Single files of a run, read as they are now: its metrics as they grow, its records and pictures for a report.

Nothing is hashed, and a file may change meanwhile; what must arrive whole and verified is pulled (`results`).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Optional

from .frames import CHUNK
from .results import can_be_pulled, find
from .server import OpError, Request

_PICTURES = (".png", ".jpg", ".jpeg")
_MOST_PICTURES = 200


def pictures(request: Request, run_dir: Path) -> Dict[str, Any]:
    """Rows [path, size in bytes, artifact name] of the first pictures among the artifacts."""
    rows: List[List[Any]] = []
    for path, artifact in find(run_dir):
        if path.lower().endswith(_PICTURES) and len(rows) < _MOST_PICTURES:
            with suppress(OSError):
                rows.append([path, (run_dir / path).stat().st_size, artifact])
    return {"rows": rows}


def read(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """The bytes of `path` from `offset` on, `most` of them at most, in frames; none where it is not there. No logs:
    those may be rotated, and have an op of their own.
    """
    path, offset, left = request.params["path"], int(request.params["offset"]), int(request.params["most"])
    if not can_be_pulled(run_dir, path):
        raise OpError("transfer", "not a file of this run that can be pulled: %s" % path)
    try:
        with open(str(run_dir / path), "rb") as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise OpError("transfer", "not a regular file: %s" % path)
            handle.seek(offset)
            while left > 0 and not request.cancelled.is_set():
                piece = handle.read(min(CHUNK, left))
                if not piece:
                    break
                request.reply(piece)
                left -= len(piece)
    except FileNotFoundError:
        pass
    return None if request.cancelled.is_set() else {}
