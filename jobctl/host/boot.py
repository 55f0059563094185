"""Bringing runs with `on_boot: resume` back after a restart of the host: what its crontab calls, once, at boot."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import List, Tuple

from . import boot_entry, control, processes, states
from .files import Json
from .locks import locked
from .names import CANCEL_FILE
from .server import OpError


def boot(root: Path) -> int:
    """Resume the runs that the restart ended. Safe to call twice, and while laptops act: each run has one supervisor.

    What was done is printed: the crontab's line leads that to `boot.log`. The exit code: 1 if a run was refused.
    """
    from .resume import Wish, resume

    refused = 0
    for run_dir, status in _with_wish(root):
        if not was_ended_by_restart(status):
            continue
        try:
            resume(root, run_dir, Wish(), {})
            _say("{}: goes on".format(run_dir.name))
        except (OpError, OSError) as error:  # one run that cannot be brought back hides no other
            refused += 1
            _say("{}: {}".format(run_dir.name, error))
    drop_entry(root)
    return 1 if refused else 0


def drop_entry(root: Path) -> None:
    """Take our line out of the crontab when no run wants it any more."""
    try:
        with locked(root / ".boot.lock"):
            if not _with_wish(root):
                boot_entry.remove(root)
    except (boot_entry.NoCrontab, OSError) as error:
        _say("the crontab is left as it is: {}".format(error))


def _with_wish(root: Path) -> List[Tuple[Path, Json]]:
    """Runs that want to go on after a restart, and might have to."""
    found = []
    for status in control.list_runs(root):
        run_dir = root / "runs" / status["run_id"]
        if may_go_on(status, (run_dir / CANCEL_FILE).exists()):
            job = control.read_job(run_dir)
            if job is not None and job.get("on_boot") == "resume":
                found.append((run_dir, status))
    return found


def may_go_on(status: Json, cancelled: bool) -> bool:
    """Whether a restart may be what ends, or has ended, the run.

    A host that is shut down sends SIGTERM to all: then the run counts as cancelled, though nobody asked for it.
    """
    if status["state"] == states.CANCELLED:
        return not cancelled
    if status["state"] == states.FAILED:
        return (status.get("verdict") or {}).get("kind") == "preempted"
    return status["state"] != states.SUCCEEDED and "ended" not in (status.get("supervisor") or {})


def was_ended_by_restart(status: Json) -> bool:
    """Whether a run that may go on is over, under another boot."""
    over = status["state"] in states.FINAL or status["state"] == states.LOST
    return over and (status.get("supervisor") or {}).get("boot_id") != processes.boot_id()


def _say(text: str) -> None:
    sys.stdout.write("{} {}\n".format(time.strftime("%Y-%m-%d %H:%M:%S"), text))
    sys.stdout.flush()
