"""This laptop's copy of a run's `metrics.jsonl`: it grows by what is new, and stays when the host is away."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobctl.laptop.places import home


class KeptMetrics:
    """The copy of one run's metrics, in `JOBCTL_HOME/metrics`. Several commands may bring it up to date at once."""

    def __init__(self, run_id: str, folder: Path | None = None) -> None:
        self.path = (folder or home() / "metrics") / f"{run_id}.jsonl"

    def read(self, offset: int = 0) -> bytes:
        """What is here from a byte on; nothing where there is no copy."""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return file.read()
        except OSError:
            return b""

    def seen_at(self) -> float | None:
        """When the host was last asked for it; None: never."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return None

    @contextmanager
    def appending(self) -> Iterator[BinaryIO]:
        """The copy, for this process alone, at its end: `tell()` is how far it goes. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0, os.SEEK_END)
            yield file
            file.flush()
            os.utime(self.path)  # also where there was nothing new: it is as young as this
