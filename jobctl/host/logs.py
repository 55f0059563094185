"""Reading a run's logs from any byte on, and following them until the run is over.

A position is (file, offset). The files of a request stand in a fixed order (stages, then attempts), so a reader that
was cut off goes on where it stopped and gets each byte once.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from .control import read_job
from .control import status as run_status
from .frames import CHUNK
from .rotate import RotatedLog
from .server import OpError, Request
from .states import FINAL, LOST

_POLL_S = 0.1
_WAITING = ("WAITING", "RUNNING")
_OVER = FINAL | {LOST}


class LogReader:
    """The log files of one run that a request asks for."""

    def __init__(self, run_dir: Path, stage: Optional[str], rank: Optional[int]) -> None:
        self._run_dir = run_dir
        self._stage = stage
        self._rank = rank
        self._open: Tuple[str, RotatedLog] = ("", RotatedLog(run_dir))
        job = read_job(run_dir) or {}
        self._stages = [entry["name"] for entry in job.get("stages", [])]
        if stage is not None and stage not in self._stages:
            raise OpError("no_stage", "no stage %r" % stage, hint="stages: " + ", ".join(self._stages))

    def files(self) -> List[Tuple[str, str]]:
        """(file, stage) in reading order, as far as it is known now; paths are relative to the run directory."""
        if self._rank is None:
            return [("logs/%s.log" % name, name) for name in self._stages if self._stage in (None, name)]
        found = []
        for path in (self._run_dir / "log").glob("*/workerlog.%d" % self._rank):
            match = re.match(r"(.+)-(\d+)$", path.parent.name)
            if match and self._stage in (None, match.group(1)) and match.group(1) in self._stages:
                found.append((self._stages.index(match.group(1)), int(match.group(2)), path))
        rows = [(path.relative_to(self._run_dir).as_posix(), self._stages[at]) for at, _, path in sorted(found)]
        return rows

    def read(self, file: str, offset: int) -> bytes:
        if self._open[0] != file:
            self._open[1].close()
            self._open = (file, RotatedLog(self._run_dir / file))
        try:
            return self._open[1].read(offset, CHUNK)
        except FileNotFoundError:
            return b""

    def start_of_tail(self, tail: int) -> Tuple[int, int]:
        """(index of the file, offset) such that `tail` lines follow."""
        files = self.files()
        wanted = tail
        for index in range(len(files) - 1, -1, -1):
            offset, wanted = _back(self._run_dir / files[index][0], wanted)
            if not wanted:
                return index, offset
        return 0, 0


def _back(path: Path, lines: int) -> Tuple[int, int]:
    """Where the last `lines` lines of a file begin, and how many it lacks. A block at a time: a log may be large."""
    if not path.is_file():
        return 0, lines
    log = RotatedLog(path)
    try:
        end = path.stat().st_size
        if not end or not lines:
            return end, lines
        at = end - 1  # the end of the last line begins no other
        while at > 0:
            start = max(0, at - CHUNK)
            block = log.read_whole(start, at - start)
            found = block.rfind(b"\n")
            while found >= 0:
                lines -= 1
                if not lines:
                    return start + found + 1, 0
                found = block.rfind(b"\n", 0, found)
            at = start
        return 0, lines - 1
    finally:
        log.close()


def stream(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """Replies {file, offset} + bytes, in order; the last, when there is no more, says {file, offset, state, reason}.

    Parameters: stage, rank (None: the stages' own output), file and offset to go on from, tail (lines), follow.
    """
    params = request.params
    reader = LogReader(run_dir, params.get("stage"), params.get("rank"))
    index, offset = _start(reader, params)
    while not request.cancelled.is_set():
        # State first, bytes second: what was written before the run ended is then surely read.
        state = run_status(run_dir)
        files = reader.files()
        moved = False
        while index < len(files):
            file, stage = files[index]
            piece = reader.read(file, offset)
            if piece:
                request.reply(piece, file=file, offset=offset)
                offset += len(piece)
                moved = True
                if request.cancelled.is_set():
                    return None
            elif index + 1 < len(files) and (
                not params.get("follow") or _is_over(state, stage, file, files[index + 1][0])
            ):
                index, offset = index + 1, 0
            else:
                break
        if moved:
            continue
        if not params.get("follow") or state["state"] in _OVER:
            last = files[index][0] if index < len(files) else None
            return {"file": last, "offset": offset, "state": state["state"], "reason": state.get("reason")}
        time.sleep(_POLL_S)
    return None


def _start(reader: LogReader, params: Dict[str, Any]) -> Tuple[int, int]:
    if params.get("file"):
        names = [file for file, _ in reader.files()]
        if params["file"] not in names:
            raise OpError("input", "no such log: %s" % params["file"])
        return names.index(params["file"]), int(params.get("offset") or 0)
    if params.get("tail") is not None:
        return reader.start_of_tail(int(params["tail"]))
    return 0, 0


def _is_over(state: Dict[str, Any], stage: str, file: str, next_file: str) -> bool:
    """Nothing more is written to `file`: its stage has ended, or another attempt of it has begun."""
    if state["state"] in _OVER or Path(file).name == Path(next_file).name:
        return True
    return all(entry["state"] not in _WAITING for entry in state.get("stages", []) if entry["name"] == stage)
