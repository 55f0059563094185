"""The keeper: a small process beside the supervisor that does nothing until the supervisor is killed.

The two are a fork of one process and hold `supervisor.lock` together. A supervisor that is killed leaves its
processes to the keeper, a child subreaper as well; the keeper ends them, writes down what has happened, and, with
`retry` on `lost`, begins again. A keeper that is killed is missed by nobody: the supervisor goes on.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, List, Optional

from . import oom, processes, retry, states
from .ending import end_everything
from .files import append_line, read_json, write_json
from .names import CANCEL_FILE
from .telling import tell_of_end

_GRACE_S = 10.0


def keep(run_dir: Path, supervise: Callable[[], int]) -> int:
    """Call `supervise` in a child process and wait for its end. The exit code: the child's; 1 when it was killed.

    Returns twice: in the child with what `supervise` returned, in the keeper when all is over.
    """
    processes.become_subreaper()
    asked: List[int] = []
    losses = 0
    while True:
        begun = time.monotonic()
        try:
            child = os.fork()
        except OSError:  # no room for a second process: better no keeper than no run
            return supervise()
        if child == 0:
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, signal.SIG_DFL)
            return supervise()
        _forward_signals(child, asked)
        _, status = os.waitpid(child, 0)
        _forward_signals(None, asked)
        if os.WIFEXITED(status) and (read_json(run_dir / "status.json") or {}).get("state") in states.FINAL:
            return os.WEXITSTATUS(status)
        losses += 1
        ended = _in_words(status, begun)
        _clear_up(run_dir, child, ended)
        if os.WIFEXITED(status) or asked or not _begin_again(run_dir, ended, losses, asked):
            tell_of_end(run_dir)
            return 1


def _forward_signals(child: Optional[int], asked: List[int]) -> None:
    """SIGTERM and SIGINT are meant for the supervisor; the keeper itself ends only after it."""

    def hand_on(signum: int, frame: Any) -> None:
        asked.append(signum)
        if child is not None:
            with suppress(ProcessLookupError):  # reaped a moment ago
                os.kill(child, signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, hand_on)
    signal.signal(signal.SIGHUP, lambda signum, frame: None)


def _begin_again(run_dir: Path, ended: str, losses: int, asked: List[int]) -> bool:
    """Whether the job's `retry` lets the run go on after all; then it is prepared, and it is time."""
    job = read_json(run_dir / "job.json")
    found = read_json(run_dir / "status.json")
    if job is None or not states.is_job(job) or found is None or found.get("state") in states.FINAL:
        return False
    if (run_dir / CANCEL_FILE).exists():
        return False
    policy = job.get("retry")
    tries = max([losses] + [int(one.get("tries") or 0) for one in found["stages"] if one["state"] == states.RUNNING])
    why_not = retry.why_not(policy, tries, retry.Failure("lost", None, 0), None)
    if policy is None or why_not is not None:
        if why_not:
            with suppress(OSError):
                found["supervisor"]["ended"] = "{}; {}".format(ended, why_not)
                write_json(run_dir / "status.json", found)
        return False
    try:
        from .resume import begin_again

        begin_again(run_dir, job, "lost")
        return _wait(run_dir, "{}; tried again".format(ended), retry.delay_s(policy, tries), asked)
    except OSError:  # a disk that is full: LOST, to be resumed by hand
        return False


def _wait(run_dir: Path, reason: str, delay_s: float, asked: List[int]) -> bool:
    """Wait before the next try, as the one to be asked meanwhile. A cancel is left to the next supervisor, at once."""
    me = processes.look_up(os.getpid())
    told = {"pid": os.getpid(), "start_ticks": me.start_ticks if me else 0, "boot_id": processes.boot_id()}
    found = read_json(run_dir / "status.json") or {}
    at = round(time.time() + delay_s, 3)
    write_json(run_dir / "status.json", dict(found, supervisor=told, reason=reason, retry_at=at))
    due = time.monotonic() + delay_s
    cancelled = False
    while time.monotonic() < due and not asked and not cancelled:
        time.sleep(min(0.2, max(0.0, due - time.monotonic())))
        cancelled = (run_dir / CANCEL_FILE).exists()
    if asked and not (run_dir / CANCEL_FILE).exists():
        return False
    write_json(run_dir / "status.json", dict(found, reason=None, retry_at=None))
    asked.clear()
    return True


def _in_words(status: int, begun: float) -> str:
    """How the supervisor ended, and the kernel's line on a kill for want of memory since `begun`, where we may read it.

    Whom it killed stands in the line: inside a container its pids are not ours.
    """
    if os.WIFEXITED(status):
        return "its supervisor ended with exit code {}, see supervisor.log".format(os.WEXITSTATUS(status))
    signum = os.WTERMSIG(status)
    killed_for_memory = oom.last_words(begun) if signum == signal.SIGKILL else None
    if killed_for_memory is not None:
        words = "its supervisor was killed by SIGKILL; meanwhile the kernel killed for want of memory: {}"
        return words.format(killed_for_memory)
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

    job = read_json(run_dir / "job.json")
    left = end_everything(run_dir, job, lambda: processes.processes_of(run_dir, os.getpid()), grace_s, pause)
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
        event["left"] = [*left.pids, *left.containers]
    with suppress(OSError):  # a full disk: then the run is LOST without the word that says why
        append_line(run_dir / "events.jsonl", event)
        write_json(run_dir / "status.json", dict(status, updated_at=now))


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
