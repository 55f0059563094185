"""The logs of all ranks at once, over one connection.

The place of a reader is a set of positions, one for each file; whoever was cut off hands them back and gets each byte
once.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List, Optional

from .control import status as run_status
from .log_starts import back, offset_since, since_of
from .logs import OVER, PIECE, LogReader, folders_of, rank_logs_of
from .notify import Changes
from .rotate import RotatedLog
from .server import OpError, Request


def stream(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """Replies {file, offset, stage, attempt, rank} + bytes; the last, when there is no more, says {state, reason}.

    Parameters: stage, positions ({file: offset}) to go on from, tail (lines of each file), since, follow. The first
    reply says {positions}, where it begins. What is there comes rank after rank, what is written later as it comes.
    """
    params = request.params
    stages = LogReader(run_dir, params.get("stage"), None).stages
    positions = _positions(run_dir, stages, params)
    request.reply(positions=positions)
    logs: Dict[str, RotatedLog] = {}
    with closing(Changes()) as changes:
        while not request.cancelled.is_set():
            changes.watch(folders_of(run_dir))
            state = run_status(run_dir)  # before the bytes, as in logs.stream
            moved = False
            for file, stage, attempt, rank in rank_logs_of(run_dir, stages):
                log = logs.setdefault(file, RotatedLog(run_dir / file))
                offset, end = positions.get(file, 0), _size(run_dir / file)
                while offset < end and not request.cancelled.is_set():
                    piece = log.read(offset, min(PIECE, end - offset))
                    if not piece:
                        break
                    request.reply(piece, file=file, offset=offset, stage=stage, attempt=attempt, rank=rank)
                    offset += len(piece)
                    moved = True
                positions[file] = offset
            if moved:
                continue
            if not params.get("follow") or state["state"] in OVER:
                return {"state": state["state"], "reason": state.get("reason")}
            changes.wait()
    return None


def _positions(run_dir: Path, stages: List[str], params: Dict[str, Any]) -> Dict[str, int]:
    given = params.get("positions")
    files = [log.file for log in rank_logs_of(run_dir, stages)]
    if given is not None:
        if not isinstance(given, dict) or not all(isinstance(value, int) and value >= 0 for value in given.values()):
            raise OpError("refused", "these are no positions: {!r}".format(given))
        return {file: given[file] for file in files if file in given}
    found = dict.fromkeys(files, 0)
    if params.get("tail") is not None:
        found = {file: back(run_dir / file, int(params["tail"]))[0] for file in files}
    if params.get("since") is not None:
        at = since_of(params["since"])
        found = {file: max(offset, offset_since(run_dir / file, at)[0]) for file, offset in found.items()}
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
