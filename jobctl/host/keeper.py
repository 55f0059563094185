"""The keeper: a small process beside the supervisor that does nothing until the supervisor is killed.

The two are a fork of one process and hold `supervisor.lock` together. A supervisor that is killed leaves its
processes to the keeper, a child subreaper as well; the keeper ends them, and writes down what has happened. A keeper
that is killed is missed by nobody: the supervisor goes on.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Optional

from . import processes, states
from .files import append_line, read_json, write_json
from .names import CANCEL_FILE

_GRACE_S = 10.0


def keep(run_dir: Path, supervise: Callable[[], int]) -> int:
    """Call `supervise` in a child process and wait for its end. The exit code: the child's; 1 when it was killed.

    Returns twice: in the child with what `supervise` returned, in the keeper when all is over.
    """
    processes.become_subreaper()
    try:
        child = os.fork()
    except OSError:  # no room for a second process: better no keeper than no run
        return supervise()
    if child == 0:
        return supervise()
    _forward_signals(child)
    _, status = os.waitpid(child, 0)
    _forward_signals(None)
    if os.WIFEXITED(status) and (read_json(run_dir / "status.json") or {}).get("state") in states.FINAL:
        return os.WEXITSTATUS(status)
    _clear_up(run_dir, child, _in_words(status))
    return 1


def _forward_signals(child: Optional[int]) -> None:
    """SIGTERM and SIGINT are meant for the supervisor; the keeper itself ends only after it."""

    def hand_on(signum: int, frame: Any) -> None:
        if child is not None:
            with suppress(ProcessLookupError):  # reaped a moment ago
                os.kill(child, signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, hand_on)
    signal.signal(signal.SIGHUP, lambda signum, frame: None)


def _in_words(status: int) -> str:
    if os.WIFEXITED(status):
        return "its supervisor ended with exit code {}, see supervisor.log".format(os.WEXITSTATUS(status))
    signum = os.WTERMSIG(status)
    try:
        return "its supervisor was killed by " + signal.Signals(signum).name
    except ValueError:  # real-time signals have no name there
        return "its supervisor was killed by signal {}".format(signum)


def _clear_up(run_dir: Path, child: int, ended: str) -> None:
    """End every process of the run; then it is told, so that a run that is LOST has nothing left that runs."""
    cancelled = read_json(run_dir / CANCEL_FILE)
    grace_s = _GRACE_S if cancelled is None else float(cancelled.get("grace_s", _GRACE_S))

    def pause(seconds: float) -> None:
        _reap()
        time.sleep(seconds)

    left = processes.end_all(lambda: processes.processes_of(run_dir, os.getpid()), grace_s, pause)
    _reap()
    status = read_json(run_dir / "status.json")
    if not states.is_status(status) or status is None or status["state"] in states.FINAL:
        return
    supervisor = status.get("supervisor")
    if not isinstance(supervisor, dict) or supervisor.get("pid") != child:  # killed before it could introduce itself
        status["supervisor"] = supervisor = {"pid": child, "start_ticks": 0, "boot_id": processes.boot_id()}
    supervisor["ended"] = ended
    now = round(time.time(), 3)
    event = {"at": now, "event": "supervisor_lost", "pid": child, "reason": ended}
    if left:
        event["left"] = [one.pid for one in left]
    with suppress(OSError):  # a full disk: then the run is LOST without the word that says why
        append_line(run_dir / "events.jsonl", event)
        write_json(run_dir / "status.json", dict(status, updated_at=now))


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
