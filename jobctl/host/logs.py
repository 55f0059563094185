"""Reading a run's logs from any byte on, and following them until the run is over.

A position is (file, offset). The files of a request stand in a fixed order (stages, then attempts), so a reader that
was cut off goes on where it stopped and gets each byte once.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .control import read_job
from .control import status as run_status
from .log_starts import since_of, start_of_since, start_of_tail
from .notify import Changes
from .rotate import RotatedLog
from .server import OpError, Request
from .states import FINAL, LOST

PIECE = 32 << 10  # of a frame that is cut nothing arrives: small ones get on over a line that is cut all the time
_WAITING = ("WAITING", "RUNNING")
OVER = FINAL | {LOST}


_RANK_LOG = re.compile(r"log/(.+)-(\d+)/workerlog\.(\d+)\Z")


class RankLog(NamedTuple):
    """What one rank wrote in one attempt at a stage; `file` is relative to the run directory."""

    file: str
    stage: str
    attempt: int
    rank: int


class LogReader:
    """The log files of one run that a request asks for."""

    def __init__(self, run_dir: Path, stage: Optional[str], rank: Optional[int]) -> None:
        self._run_dir = run_dir
        self._rank = rank
        self._open: Tuple[str, RotatedLog] = ("", RotatedLog(run_dir))
        job = read_job(run_dir) or {}
        names = [entry["name"] for entry in job.get("stages", [])]
        if stage is not None and stage not in names:
            raise OpError("no_stage", "no stage %r" % stage, hint="stages: " + ", ".join(names))
        self.stages = [name for name in names if stage in (None, name)]

    def files(self) -> List[Tuple[str, str]]:
        """(file, stage) in reading order, as far as it is known now; paths are relative to the run directory."""
        if self._rank is None:
            return [("logs/%s.log" % name, name) for name in self.stages]
        return [(log.file, log.stage) for log in rank_logs_of(self._run_dir, self.stages) if log.rank == self._rank]

    def read(self, file: str, offset: int) -> bytes:
        if self._open[0] != file:
            self._open[1].close()
            self._open = (file, RotatedLog(self._run_dir / file))
        try:
            return self._open[1].read(offset, PIECE)
        except FileNotFoundError:
            return b""


def stream(request: Request, run_dir: Path) -> Optional[Dict[str, Any]]:
    """Replies {file, offset} + bytes, in order; the last, when there is no more, says {file, offset, state, reason}.

    Parameters: stage, rank (None: the stages' own output), file and offset to go on from, tail (lines), since
    (`log_starts.since_of`), follow. Where it begins is the first reply, without bytes: who was cut off after it goes on
    from there.
    """
    params = request.params
    reader = LogReader(run_dir, params.get("stage"), params.get("rank"))
    index, offset = _start(reader, run_dir, params)
    files = reader.files()
    if index < len(files):
        request.reply(file=files[index][0], offset=offset)
    with closing(Changes()) as changes:
        while not request.cancelled.is_set():
            changes.watch(folders_of(run_dir))
            # State first, bytes second: what was written before the run ended is then surely read.
            state = run_status(run_dir)
            files, before = reader.files(), (index, offset)
            while index < len(files) and not request.cancelled.is_set():
                file, stage = files[index]
                piece = reader.read(file, offset)
                if piece:
                    request.reply(piece, file=file, offset=offset)
                    offset += len(piece)
                elif index + 1 < len(files) and (
                    not params.get("follow") or _is_over(state, stage, file, files[index + 1][0])
                ):
                    index, offset = index + 1, 0
                else:
                    break
            if (index, offset) != before:
                continue
            if not params.get("follow") or state["state"] in OVER:
                last = files[index][0] if index < len(files) else None
                return {"file": last, "offset": offset, "state": state["state"], "reason": state.get("reason")}
            changes.wait()
    return None


def rank_logs_of(run_dir: Path, stages: List[str]) -> List[RankLog]:
    """Those that are there of `stages`, in the order of stages, attempts and ranks."""
    found = []
    for path in (run_dir / "log").glob("*/workerlog.*"):
        match = _RANK_LOG.match(path.relative_to(run_dir).as_posix())
        if match and match.group(1) in stages:
            found.append(RankLog(match.group(0), match.group(1), int(match.group(2)), int(match.group(3))))
    return sorted(found, key=lambda log: (stages.index(log.stage), log.attempt, log.rank))


def folders_of(run_dir: Path) -> List[Path]:
    """The folders in which something changes when a log grows or the run's state changes."""
    log = run_dir / "log"
    return [run_dir, run_dir / "logs", log, *(log.iterdir() if log.is_dir() else ())]


def _start(reader: LogReader, run_dir: Path, params: Dict[str, Any]) -> Tuple[int, int]:
    names = [file for file, _ in reader.files()]
    if params.get("file"):
        if params["file"] not in names:
            raise OpError("input", "no such log: %s" % params["file"])
        return names.index(params["file"]), int(params.get("offset") or 0)
    paths = [run_dir / name for name in names]
    at = (0, 0)
    if params.get("tail") is not None:
        at = start_of_tail(paths, int(params["tail"]))
    if params.get("since") is not None:
        at = max(at, start_of_since(paths, since_of(params["since"])))
    return at


def _is_over(state: Dict[str, Any], stage: str, file: str, next_file: str) -> bool:
    """Nothing more is written to `file`: its stage has ended, or another attempt of it has begun."""
    if state["state"] in OVER or Path(file).name == Path(next_file).name:
        return True
    return all(entry["state"] not in _WAITING for entry in state.get("stages", []) if entry["name"] == stage)
