"""Reads along with one attempt of a stage: has it started, did it print a fatal line, what does the training say."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional

from .files import Json
from .follow import Follower
from .own_metrics import make_parser

_WORKER_LOG = re.compile(r"workerlog\.(\d+)$")


class Watch:
    """The stage's log, from where a step begins, and Paddle's worker logs in `log_dir` as they appear.

    The launcher's stdout repeats workerlog.0 with a lag (3.3.1), so metrics are read from one of the two only: from
    workerlog.0 while a distributed step runs, from the stage's log otherwise.
    """

    def __init__(self, stage: Json, stage_log: Path, log_dir: Path, record: Callable[[Json], None]) -> None:
        self.started = not stage.get("started_when")
        self.finished = False  # the step has said that its work is done
        self.fatal_line: Optional[str] = None
        self.heard_at = time.monotonic()  # when a line came last
        self.train_lines = 0
        self.not_finite = 0  # training lines in a row whose loss is no number
        self._started_when = re.compile(stage.get("started_when") or "$^")
        self._finished_when = re.compile(stage.get("finished_when") or "$^")
        self._fatal = [re.compile(pattern) for pattern in stage.get("fatal_lines") or []]
        self._stage_log = Follower(stage_log)
        self._log_dir = log_dir
        self._workers: Dict[int, Follower] = {}
        self._record = record
        self._stage = stage
        self._parser = make_parser(stage)
        self._distributed = False

    def begin_step(self, distributed: bool, offset: int) -> None:
        """A step is about to start; what it prints begins at `offset` of the stage's log, after what we wrote there."""
        self._distributed = distributed
        self.finished = False
        self._stage_log = Follower(self._stage_log.path, offset)
        self._parser = make_parser(self._stage)
        self.heard_at = time.monotonic()

    def poll(self, last: bool = False) -> None:
        """Read what is new. `last`: the writers are gone, take a line without an end too."""
        self._find_workers()
        self._take(self._stage_log, last, metrics=not self._distributed)
        for rank, follower in sorted(self._workers.items()):
            self._take(follower, last, metrics=self._distributed and rank == 0)

    def _find_workers(self) -> None:
        for rank, path in worker_logs(self._log_dir).items():
            if rank not in self._workers:
                self._workers[rank] = Follower(path)

    def _take(self, follower: Follower, last: bool, metrics: bool) -> None:
        for line in follower.rest() if last else follower.lines():
            self.heard_at = time.monotonic()
            if not self.started and self._started_when.search(line):
                self.started = True
            if not self.finished and self._finished_when.search(line):
                self.finished = True
            if self.fatal_line is None and any(pattern.search(line) for pattern in self._fatal):
                self.fatal_line = line
            if metrics:
                for found in self._parser.feed(line):
                    self._count(found)
                    self._record(found)

    def _count(self, record: Json) -> None:
        if record["kind"] == "train":
            self.train_lines += 1
            self.not_finite = self.not_finite + 1 if "loss" in record.get("not_finite", []) else 0


def worker_logs(log_dir: Path) -> Dict[int, Path]:
    """Local rank to the worker log in Paddle's log directory."""
    found: Dict[int, Path] = {}
    try:
        names: List[str] = os.listdir(str(log_dir))
    except OSError:
        return found
    for name in names:
        match = _WORKER_LOG.match(name)
        if match:
            found[int(match.group(1))] = log_dir / name
    return found
