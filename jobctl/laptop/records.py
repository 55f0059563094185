"""What this laptop knows of its runs.

One small JSON file each. The host has the truth; these can be lost and adopted anew.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jobctl.errors import RunNotFound
from jobctl.laptop.places import home


@dataclass
class Record:
    """One run. `host` is the inventory's entry as it was at submit; `status` the last one seen, at `seen_at`."""

    run_id: str
    name: str
    host_name: str
    host: dict[str, Any]
    submitted_at: float
    submission: str = ""
    """Digest of job, host and inputs: a submit that died before it was confirmed is found again by it."""
    sent: bool = False
    """The host was asked to start it."""
    confirmed: bool = False
    """The host said that it has the run."""
    status: dict[str, Any] | None = None
    seen_at: float | None = None
    config: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class Records:
    """The records of this laptop, in `JOBCTL_HOME/runs`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or home() / "runs"

    def save(self, record: Record) -> None:
        """Durable when it returns: a submit relies on it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{record.run_id}.json"
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(asdict(record), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    def remove(self, run_id: str) -> None:
        (self._folder / f"{run_id}.json").unlink(missing_ok=True)

    def remove_unclaimed(self, run_id: str) -> bool:
        """Remove the record of a submit that was cut; not one that is under way. True: it is gone."""
        with self._locked(run_id) as mine:
            if mine:
                self.remove(run_id)
        return mine

    @contextmanager
    def _locked(self, run_id: str) -> Iterator[bool]:
        """Whether this process alone works on the record now."""
        with (self._folder / f"{run_id}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            try:
                yield True
            finally:
                Path(lock.name).unlink(missing_ok=True)

    def all(self) -> list[Record]:
        """Newest first. A file that is broken is passed over: `jobctl adopt` brings its run back."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(Record(**json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                continue
        return sorted(found, key=lambda record: (record.submitted_at, record.run_id), reverse=True)

    def find(self, prefix: str | None) -> Record:
        """By any unambiguous prefix of the run id; None: the newest. Raises RunNotFound."""
        records = self.all()
        if prefix is None:
            if not records:
                raise RunNotFound("no run is known on this machine", next_command="jobctl submit CONFIG -i INVENTORY")
            return records[0]
        matches = [record for record in records if record.run_id.startswith(prefix)]
        exact = [record for record in matches if record.run_id == prefix]
        if len(exact or matches) == 1:
            return (exact or matches)[0]
        if matches:
            names = ", ".join(record.run_id for record in matches[:5])
            raise RunNotFound("more than one run begins like this", value=prefix, hint=names, next_command="jobctl ps")
        raise RunNotFound(
            "no such run on this machine",
            value=prefix,
            hint="a run that another laptop submitted is found with `jobctl adopt -i INVENTORY`",
            next_command="jobctl ps",
        )

    @contextmanager
    def claim(self, submission: str, make: Callable[[], Record]) -> Iterator[Record]:
        """The record for a submit: that of an earlier one of the same thing that was cut, or else a new one, made
        durable.

        While it is claimed no other process takes it over; so two submits of the same thing at the same time are two
        runs.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        cut = (record for record in self.all() if record.submission == submission and not record.confirmed)
        for record in itertools.chain(cut, (make() for _ in itertools.count())):
            with self._locked(record.run_id) as mine:
                if not mine:
                    continue
                record.submission = submission
                self.save(record)
                yield record
                return

    def seen(self, record: Record, status: dict[str, Any]) -> None:
        """Remember a status that the host gave."""
        record.status, record.seen_at, record.confirmed = status, time.time(), True
        self.save(record)
