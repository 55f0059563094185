"""The supervisor: one process for each run, from its start to its end, that belongs to no laptop.

It holds `supervisor.lock` as long as it lives; whoever finds the lock free and the status not final knows the run LOST.
"""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import Dict, List, Optional

from . import cards, processes, states
from .attempt import CANCEL_FILE, end_processes
from .files import Json, read_json
from .journal import Journal
from .locks import take_lock
from .signals import Signals, Stopped
from .stage import run_stage
from .step import Run

LOCK_VARIABLE = "JOBCTL_LOCK_DESCRIPTOR"
ALREADY_SUPERVISED = 75
_LAST_WORD_TRIES = 120  # the end of a run is told for so many times 5 s while the disk is full


def supervise(root: Path, run_dir: Path) -> int:
    """Run the job in `run_dir` to its end. 0: it succeeded; 1: it did not; 75: another process supervises it."""
    lock = _inherited_lock(run_dir)
    if lock is None:
        lock = take_lock(run_dir / "supervisor.lock", wait_s=2.0)
    if lock is None:
        return ALREADY_SUPERVISED
    job = read_json(run_dir / "job.json")
    if job is None:
        raise FileNotFoundError("no job.json that can be read in {}".format(run_dir))
    secrets = {name: str(value) for name, value in (read_json(run_dir / "secrets.json") or {}).items()}
    journal = Journal(run_dir, job, secrets)
    if journal.status["state"] in states.FINAL:
        return 0 if journal.status["state"] == states.SUCCEEDED else 1
    with Signals() as signals:
        run = Run(root, run_dir, job, journal, signals, secrets, [], [])
        _introduce(run)
        state, reason = _run_to_the_end(run)
        _end(run, state, reason)
    return 0 if state == states.SUCCEEDED else 1


def _introduce(run: Run) -> None:
    inherits = processes.become_subreaper()
    me = processes.look_up(os.getpid())
    ticks = me.start_ticks if me else 0
    run.journal.change(supervisor={"pid": os.getpid(), "start_ticks": ticks, "boot_id": processes.boot_id()})
    run.journal.event("supervisor_started", pid=os.getpid())
    if not inherits:
        run.journal.event("no_subreaper", hint="orphans of this run are found by their environment only")


def _run_to_the_end(run: Run) -> tuple[str, Optional[str]]:
    """The final state and its reason. Nothing of the run lives when this returns."""
    held: Optional[cards.Lease] = None
    try:
        if (run.run_dir / CANCEL_FILE).exists():  # before there was anybody to signal
            return states.CANCELLED, "cancelled"
        held = _lease(run)
        run = run._replace(cards=held.cards, devices=held.devices) if held else run
        run.journal.change(state=states.RUNNING, reason=None, cards=run.cards, started_at=_now())
        run.journal.event("run_started", cards=run.cards)
        return _run_stages(run)
    except Stopped:
        return states.CANCELLED, "cancelled"
    except cards.NoCards as error:
        return states.FAILED, str(error)
    except Exception as error:  # whatever it is, the run must have an end that somebody can read
        traceback.print_exc()
        return states.FAILED, "the supervisor failed: {}: {}".format(type(error).__name__, error)
    finally:
        end_processes(run)
        if held is not None:
            held.release()


def _run_stages(run: Run) -> tuple[str, Optional[str]]:
    for index, stage in enumerate(run.job["stages"]):
        if run.journal.status["stages"][index]["state"] == states.SUCCEEDED:
            continue
        reason = run_stage(run, index)
        if reason is not None:
            return states.FAILED, "{}: {}".format(stage["name"], reason)
    return states.SUCCEEDED, None


def _lease(run: Run) -> Optional[cards.Lease]:
    if run.job.get("device") != "npu":
        return None

    def wait(reason: str) -> None:
        if run.journal.status["reason"] != reason:
            run.journal.change(reason=reason)
            run.journal.event("waiting_for_cards", reason=reason)
        run.journal.beat()
        run.signals.pause(0.5)

    run.journal.change(state=states.QUEUED)
    holder: Json = {"run_id": run.job["run_id"], "by": run.job.get("submitted_by"), "run_dir": str(run.run_dir)}
    return cards.acquire(run.root, int(run.job["cards"]), run.job.get("cards_wanted"), holder, wait)


def _end(run: Run, state: str, reason: Optional[str]) -> None:
    journal = run.journal
    stages: List[Json] = journal.status["stages"]
    for index, stage in enumerate(stages):
        if stage["state"] == states.RUNNING:
            journal.change_stage(index, state=state, ended_at=_now(), reason=reason)
    _forget_secrets(run.run_dir)
    journal.event("run_ended", state=state, reason=reason)
    last: Dict[str, object] = {"state": state, "reason": reason, "ended_at": _now()}
    for _ in range(_LAST_WORD_TRIES):
        if journal.change(**last):
            return
        run.signals.pause_through(5.0)


def _forget_secrets(run_dir: Path) -> None:
    try:
        (run_dir / "secrets.json").unlink()
    except FileNotFoundError:
        pass


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
