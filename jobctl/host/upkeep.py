"""What a supervisor does now and then while a stage runs, so that a training of weeks does not fill the disk."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Optional

from .files import Json
from .rotate import Rotation
from .sampler import Sampler
from .step import Run
from .watch import worker_logs

_ROTATE_S = 5.0  # a segment of 16 MiB each time keeps up with 3 MB/s of log
_PRUNE_S = 30.0


class Upkeep:
    """For one attempt at a stage: rotates its logs, removes surplus checkpoints, notes what the host does.

    Never a reason to end a run: what fails is tried the next time.
    """

    def __init__(self, run: Run, stage: Json, stage_log: Path, log_dir: Path) -> None:
        self._run = run
        self._stage_log = stage_log
        self._log_dir = log_dir
        self._rotation = Rotation()
        self._rotated_at = self._pruned_at = time.monotonic()
        self._sampler = Sampler(run)
        self._pruning = None
        if (stage.get("checkpoints") or {}).get("keep"):
            from .prune import Pruning

            self._pruning = Pruning(run.run_dir, stage["checkpoints"], _resumed_from(run, stage))

    def tick(self) -> None:
        """Do what is due. Cheap when nothing is."""
        self._sampler.tick()
        now = time.monotonic()
        if now - self._rotated_at >= _ROTATE_S:
            self._rotated_at = now
            self._rotate()
        if now - self._pruned_at >= _PRUNE_S:
            self._pruned_at = now
            self._prune(running=True)

    def finish(self) -> None:
        """The attempt is over, and nothing of it lives."""
        self._prune(running=False)

    def _rotate(self) -> None:
        for log in [self._stage_log, *worker_logs(self._log_dir).values()]:
            try:
                self._rotation.tend(log)
            except OSError:  # a full disk; or a log directory that somebody has removed
                continue

    def _prune(self, running: bool) -> None:
        if self._pruning is None:
            return
        with suppress(OSError):
            gone = self._pruning.prune(running)
            if gone:
                self._run.journal.event("checkpoints_removed", names=gone)


def _resumed_from(run: Run, stage: Json) -> Optional[str]:
    for row in run.journal.status["stages"]:
        if row["name"] == stage["name"]:
            found: Optional[str] = row.get("resumed_from")
            return found
    return None
