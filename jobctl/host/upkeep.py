"""What a supervisor does now and then while a stage runs, so that a training of weeks does not fill the disk."""

from __future__ import annotations

import time
from pathlib import Path

from .rotate import Rotation
from .watch import worker_logs

_ROTATE_S = 5.0  # a segment of 16 MiB each time keeps up with 3 MB/s of log


class Upkeep:
    """For one attempt at a stage: rotates its logs. Never a reason to end a run: what fails is tried the next time."""

    def __init__(self, stage_log: Path, log_dir: Path) -> None:
        self._stage_log = stage_log
        self._log_dir = log_dir
        self._rotation = Rotation()
        self._rotated_at = time.monotonic()

    def tick(self) -> None:
        """Do what is due. Cheap when nothing is."""
        now = time.monotonic()
        if now - self._rotated_at < _ROTATE_S:
            return
        self._rotated_at = now
        for log in [self._stage_log, *worker_logs(self._log_dir).values()]:
            try:
                self._rotation.tend(log)
            except OSError:  # a full disk; or a log directory that somebody has removed
                continue
