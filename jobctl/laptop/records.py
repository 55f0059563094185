"""What this laptop knows of its runs.

One small JSON file each. The host has the truth; these can be lost and adopted anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jobctl.errors import InputError, RunNotFound
from jobctl.laptop.places import home
from jobctl.plan.status import parse_status


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
    token: str = ""
    """A word of this submit's own: the host answers for a run of the same id only if it has the same word."""
    sent: bool = False
    """The host was asked to start it."""
    confirmed: bool = False
    """The host said that it has the run."""
    told: bool = False
    """A submit, or adopt, has told its user of the run. Until then the same submit again is this one."""
    status: dict[str, Any] | None = None
    seen_at: float | None = None
    config: str = ""
    packages: str = ""
    """Digest of the packages that it is held to: the lock's resolution."""
    lock: str = ""
    """Where the config's lock is."""


class Records:
    """The records of this laptop, in `JOBCTL_HOME/runs`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or home() / "runs"

    def save(self, record: Record) -> None:
        """Durable when it returns: a submit relies on it. Raises InputError where it cannot be written."""
        try:
            self._write(record)
        except OSError as error:
            raise _cannot_write(error, self._folder) from None

    def _write(self, record: Record) -> None:
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

    @contextlib.contextmanager
    def _locked(self, run_id: str) -> Iterator[bool]:
        """Whether this process alone works on the record now."""
        try:
            lock = (self._folder / f"{run_id}.lock").open("w")
        except OSError as error:
            raise _cannot_write(error, self._folder) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = os.path.samestat(os.stat(lock.name), os.fstat(lock.fileno()))
            except OSError:  # somebody holds it, or has just removed the file that we opened
                mine = False
            try:
                yield mine
            finally:
                if mine:
                    Path(lock.name).unlink(missing_ok=True)

    def get(self, run_id: str) -> Record | None:
        """The record as it is on disk now."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            return _parse(json.loads((self._folder / f"{run_id}.json").read_text(encoding="utf-8")), run_id)
        return None

    def all(self) -> list[Record]:
        """Newest first. A file that is broken is passed over: `jobctl adopt` brings its run back."""
        found = filter(None, (self.get(path.stem) for path in self._folder.glob("*.json")))
        return sorted(found, key=lambda record: (record.submitted_at, record.run_id), reverse=True)

    def damaged(self) -> list[str]:
        """The run ids of files that are no records: `jobctl adopt` writes them anew."""
        return sorted(path.stem for path in self._folder.glob("*.json") if self.get(path.stem) is None)

    def find(self, prefix: str | None) -> Record:
        """By any unambiguous prefix of the run id; None: the newest. Raises RunNotFound."""
        records = self.all()
        if prefix == "":
            # `jobctl cancel "$RUN"` with an unset variable must not end the only run there is.
            raise RunNotFound("an empty word names no run", value=prefix, next_command="jobctl ps")
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

    @contextlib.contextmanager
    def claim(self, submission: str, make: Callable[[], Record]) -> Iterator[Record]:
        """The record for a submit: that of an earlier one of the same thing that was cut, or else a new one, made
        durable.

        While it is claimed no other process takes it over; so two submits of the same thing at the same time are two
        runs.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _cannot_write(error, self._folder) from None
        cut = (record for record in self.all() if _is_cut(record, submission))
        for record in itertools.chain(cut, (make() for _ in itertools.count())):
            with self._locked(record.run_id) as mine:
                # Read once more: its owner may have finished between our look and our lock.
                latest = self.get(record.run_id) or record
                if not mine or (latest.submission and not _is_cut(latest, submission)):
                    continue
                latest.submission = submission
                self.save(latest)
                yield latest
                return

    def seen(self, record: Record, status: dict[str, Any]) -> None:
        """Remember a status that the host gave; as well as can be: the run does not depend on it."""
        record.status, record.seen_at, record.confirmed = status, time.time(), True
        if latest := self.get(record.run_id):  # another command of ours may have told the user meanwhile
            record.told = record.told or latest.told
        with contextlib.suppress(OSError):
            self._write(record)


def _is_cut(record: Record, submission: str) -> bool:
    """A submit of the same thing that never told its user; also of a run that has ended meanwhile."""
    return record.submission == submission and not record.told


def _parse(found: object, run_id: str) -> Record:
    """A record from its file. Raises ValueError for one that is none; fields of a newer jobctl are left out."""
    known = {item.name for item in fields(Record)}
    if not isinstance(found, dict) or found.get("run_id") != run_id:
        raise ValueError("not the record of this run")
    texts = [found.get(name) for name in ("name", "host_name")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(found.get("host"), dict):
        raise ValueError("not a record")
    for name in ("submitted_at", "seen_at"):
        if not isinstance(found.get(name, 0.0), int | float | None):
            raise ValueError(f"{name} is no time")
    record = Record(**{"submitted_at": 0.0, **{name: value for name, value in found.items() if name in known}})
    record.submitted_at = record.submitted_at or 0.0
    if record.status is not None:
        record.status = parse_status(record.status)
    return record


def _cannot_write(error: OSError, folder: Path) -> InputError:
    return InputError(
        f"cannot write down which runs there are: {error.strerror}",
        where=os.fspath(error.filename or folder),
        hint="JOBCTL_HOME names another folder for that",
    )
