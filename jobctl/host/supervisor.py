"""The supervisor: one process for each run, from its start to its end, that belongs to no laptop.

It holds `supervisor.lock` as long as it lives, together with its keeper (keeper.py); whoever finds the lock free
and the status not final knows the run LOST.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Dict, List, Optional

from . import processes, states
from .files import Json, read_json
from .journal import Journal
from .keeper import keep
from .locks import take_lock
from .names import LOCK_VARIABLE, WEBHOOK
from .signals import Signals
from .telling import tell_of_end

ALREADY_SUPERVISED = 75
_LAST_WORD_TRIES = 120  # the end of a run is told for so many times 5 s while the disk is full


def supervise(root: Path, run_dir: Path) -> int:
    """Run the job in `run_dir` to its end. 0: it succeeded; 1: it did not; 75: another process supervises it."""
    lock = _inherited_lock(run_dir)
    if lock is None:
        lock = take_lock(run_dir / "supervisor.lock", wait_s=2.0)
    if lock is None:
        return ALREADY_SUPERVISED
    return keep(run_dir, lambda: _supervise(root, run_dir))


def _supervise(root: Path, run_dir: Path) -> int:
    job = read_json(run_dir / "job.json")
    if job is None:
        raise FileNotFoundError("no job.json that can be read in {}".format(run_dir))
    secrets = {name: str(value) for name, value in (read_json(run_dir / "secrets.json") or {}).items()}
    journal = Journal(run_dir, job, {**secrets, WEBHOOK: str((read_json(run_dir / WEBHOOK) or {}).get("url") or "")})
    if journal.status["state"] in states.FINAL:
        return 0 if journal.status["state"] == states.SUCCEEDED else 1
    with Signals() as signals:
        _introduce(journal)
        wants_boot = job.get("on_boot") == "resume"
        if wants_boot:
            _arrange_boot(root, journal)
        # Here, not above: our starter waits for the introduction, and a zipapp's modules are compiled at each start.
        from .course import run_to_the_end
        from .step import Run

        run = Run(root, run_dir, job, journal, signals, secrets, [], [])
        if job.get("container"):
            from .container import Container

            run = run._replace(container=Container(job["container"]))
        state, reason = run_to_the_end(run)
        _end(run_dir, journal, signals, state, reason)
        tell_of_end(run_dir)
        if wants_boot:
            from .boot import drop_entry

            drop_entry(root)
    return 0 if state == states.SUCCEEDED else 1


def _introduce(journal: Journal) -> None:
    inherits = processes.become_subreaper()
    me = processes.look_up(os.getpid())
    ticks = me.start_ticks if me else 0
    journal.change(supervisor={"pid": os.getpid(), "start_ticks": ticks, "boot_id": processes.boot_id()})
    journal.event("supervisor_started", pid=os.getpid())
    if not inherits:
        journal.event("no_subreaper", hint="orphans of this run are found by their environment only")


def _arrange_boot(root: Path, journal: Journal) -> None:
    from .boot_entry import ensure

    problem = ensure(root)
    if problem is not None:
        warnings: List[Json] = journal.status.get("warnings") or []
        journal.change(warnings=warnings + [{"at": _now(), "kind": "boot", "text": problem}])


def _end(run_dir: Path, journal: Journal, signals: Signals, state: str, reason: Optional[str]) -> None:
    stages: List[Json] = journal.status["stages"]
    for index, stage in enumerate(stages):
        if stage["state"] == states.RUNNING:
            journal.change_stage(index, state=state, ended_at=_now(), reason=reason)
    _forget_secrets(run_dir, journal)
    journal.event("run_ended", state=state, reason=reason)
    last: Dict[str, object] = {"state": state, "reason": reason, "ended_at": _now()}
    for _ in range(_LAST_WORD_TRIES):
        if journal.change(**last):
            return
        signals.pause_through(5.0)


def _forget_secrets(run_dir: Path, journal: Journal) -> None:
    try:
        (run_dir / "secrets.json").unlink()
    except FileNotFoundError:
        pass
    except OSError as error:  # a file system that has become read-only, or that a server has lost
        journal.event("secrets_left", reason=error.strerror)


def _inherited_lock(run_dir: Path) -> Optional[int]:
    """The descriptor of supervisor.lock that our starter locked and handed down: the run was never without a holder."""
    word = os.environ.pop(LOCK_VARIABLE, "")
    if not word.isdigit():
        return None
    try:
        os.set_inheritable(int(word), False)
        ours, there = os.fstat(int(word)), os.stat(str(run_dir / "supervisor.lock"))
    except OSError:
        return None
    return int(word) if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) else None


def _now() -> float:
    return round(time.time(), 3)
