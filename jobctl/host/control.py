"""Starting, asking and cancelling runs: what the laptop's requests come down to. Safe against each other, and twice."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, List, Optional

from . import disk, processes, states
from .ending import end_everything
from .files import Json, append_line, read_json, sync_folder, write_json
from .locks import is_held, locked, take_lock
from .names import CANCEL_FILE, LOCK_VARIABLE
from .processes import Process
from .program import argv_of
from .server import OpError
from .telling import tell_of_end

_START_WAIT_S = 20.0
_LOCK_WAIT_S = 30.0


def start(root: Path, run_id: str, argv: Optional[List[str]] = None) -> Json:
    """Bring the run that lies in `staging/<run_id>` to life, once; its status. A run that has begun is left as it is.

    The run appears under `runs/` by one rename, with its supervisor's lock already held: nobody ever sees it without a
    holder. The lock is handed down to the supervisor, which leaves our session and outlives the connection.
    Raises OpError "no_run" or "supervisor".
    """
    run_dir = root / "runs" / run_id
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    with locked(run_dir.parent / ".lock"):
        lock = _lock_if_new(root, run_dir)
        if lock is None:
            return status(run_dir)
        child = _hand_over(root, run_dir, lock, argv)
    _await_supervisor(run_dir, child)
    return status(run_dir)


def revive(root: Path, run_dir: Path, lock: int) -> Json:
    """Start a supervisor for a run that `resume.begin_again` has prepared; its status. Raises OpError "supervisor".

    `lock` is the run's supervisor.lock, held; it is handed down, and closed here.
    """
    _await_supervisor(run_dir, _hand_over(root, run_dir, lock, None))
    return status(run_dir)


def _hand_over(root: Path, run_dir: Path, lock: int, argv: Optional[List[str]]) -> subprocess.Popen[bytes]:
    """Start the supervisor, which holds `lock` from here on; ours is closed."""
    try:
        return _spawn(root, run_dir, lock, argv or argv_of("supervise", str(run_dir)))
    finally:
        os.close(lock)


def _lock_if_new(root: Path, run_dir: Path) -> Optional[int]:
    """The supervisor's lock of a run that has not begun, moved to its place; None when it has begun."""
    if run_dir.exists():
        found = read_json(run_dir / "status.json") or {}
        if found.get("state") in states.FINAL or found.get("supervisor"):
            return None
        return take_lock(run_dir / "supervisor.lock", wait_s=0.5)
    staged = root / "staging" / run_dir.name
    job = read_job(staged)
    if job is None:
        raise OpError("no_run", "there is no run {} on this host".format(run_dir.name), run_id=run_dir.name)
    lock = take_lock(staged / "supervisor.lock", wait_s=2.0)
    if lock is None:
        raise OpError("busy", "somebody else is starting run {}".format(run_dir.name), run_id=run_dir.name)
    try:
        first = dict(states.first_status(job, states.QUEUED), warnings=disk.warnings_before(staged, job))
        write_json(staged / "status.json", first)
        os.rename(str(staged), str(run_dir))
        sync_folder(run_dir.parent)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _spawn(root: Path, run_dir: Path, lock: int, argv: List[str]) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBCTL_")}
    environ[LOCK_VARIABLE] = str(lock)
    with open(str(run_dir / "supervisor.log"), "ab") as log:
        child = subprocess.Popen(
            argv,
            cwd=str(root),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
        )
    threading.Thread(target=child.wait, daemon=True).start()  # no zombie while this channel lives
    return child


def _await_supervisor(run_dir: Path, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_WAIT_S
    while time.monotonic() < deadline:
        ended = child.returncode is not None
        if (read_json(run_dir / "status.json") or {}).get("supervisor"):
            return
        if ended:
            break
        time.sleep(0.005)
    log = (run_dir / "supervisor.log").read_bytes()[-2000:].decode("utf-8", "replace").strip()
    raise OpError("supervisor", "the supervisor of the run did not start", run_id=run_dir.name, log=log)


def status(run_dir: Path) -> Json:
    """status.json, with LOST worked out. Raises OpError "no_run"."""
    found = _read_status(run_dir)
    if found["state"] in states.FINAL or is_held(run_dir / "supervisor.lock"):
        return found
    found = _read_status(run_dir)  # it may have ended between the two questions
    if found["state"] in states.FINAL:
        return found
    if found.get("supervisor") is not None:
        reason = _why_lost(found["supervisor"], run_dir.name)
    elif (run_dir / "status.json").exists() and not states.is_status(read_json(run_dir / "status.json")):
        reason = "its status.json is damaged, and nothing supervises it"
    else:
        reason = "it was put together, never started"
    return dict(found, state=states.LOST, reason=reason)


def _why_lost(supervisor: Any, run_id: str) -> str:
    """What ended a supervisor that had begun, and the command that brings its run back."""
    why: str
    told = supervisor if isinstance(supervisor, dict) else {}
    if isinstance(told.get("ended"), str):
        why = told["ended"]
    elif told.get("boot_id") != processes.boot_id():
        at = processes.booted_at()
        when = " at " + time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else ""
        why = "the host was restarted" + when
    else:
        why = "its supervisor was killed, and its keeper with it"
    return "{}; to go on: jobctl resume {}".format(why, run_id)


def read_job(run_dir: Path) -> Optional[Json]:
    """job.json; None when it is missing or damaged."""
    found = read_json(run_dir / "job.json")
    return found if states.is_job(found) else None


def _read_status(run_dir: Path) -> Json:
    found = read_json(run_dir / "status.json")
    if found is not None and states.is_status(found):
        return dict(found, run_id=run_dir.name)
    job = read_job(run_dir)
    if job is None:
        message = "there is no run {} on this host, or its job.json is damaged".format(run_dir.name)
        raise OpError("no_run", message, run_id=run_dir.name)
    return states.first_status(job, states.QUEUED)


def list_runs(root: Path) -> List[Json]:
    """The status of every run below `root`, with `submitted_by`, oldest first. A folder that is no run is left out."""
    found: List[Json] = []
    try:
        names = os.listdir(str(root / "runs"))
    except FileNotFoundError:
        return found
    for name in names:
        if name.startswith("."):
            continue
        try:
            told = status(root / "runs" / name)
        except OpError:
            continue
        found.append(dict(told, submitted_by=(read_job(root / "runs" / name) or {}).get("submitted_by")))
    return sorted(found, key=lambda one: (_number(one.get("submitted_at")), one["run_id"]))


def _number(found: Any) -> float:
    return float(found) if isinstance(found, (int, float)) else 0.0


def cancel(root: Path, run_id: str, grace_s: float = 10.0, patience_s: float = 15.0) -> Json:
    """End a run and every process of it; its final status. TERM first, KILL after `grace_s`.

    The supervisor is asked first. If it is gone, or has not answered `patience_s` after the grace, its work is done
    here. Raises OpError "no_run".
    """
    run_dir = root / "runs" / run_id
    found = status(run_dir)
    if found["state"] in states.FINAL:
        return found
    with suppress(OSError):  # on a full disk the signal alone tells, and the usual grace counts
        write_json(run_dir / CANCEL_FILE, {"at": round(time.time(), 3), "grace_s": grace_s})
    supervisor = _ask_supervisor(run_dir, grace_s + patience_s)
    found = _read_status(run_dir)
    if found["state"] in states.FINAL:
        return found
    stragglers: List[Process] = []
    if supervisor is not None:
        stragglers = processes.processes_of(run_dir, supervisor.pid)
        processes.send(supervisor, signal.SIGKILL)
    return _cancel_unsupervised(run_dir, grace_s, stragglers)


def _ask_supervisor(run_dir: Path, patience_s: float) -> Optional[Process]:
    """TERM the supervisor and wait for the end of the run. Returns it if it neither ended the run nor itself."""
    deadline = time.monotonic() + patience_s
    supervisor: Optional[Process] = None
    while is_held(run_dir / "supervisor.lock"):
        found = _read_status(run_dir)
        if found["state"] in states.FINAL:
            return None
        if supervisor is None and found.get("supervisor"):
            supervisor = _living_supervisor(found["supervisor"])
            if supervisor is not None:
                processes.send(supervisor, signal.SIGTERM)
        if time.monotonic() > deadline:
            return supervisor
        time.sleep(0.02)
    return None


def _living_supervisor(told: Any) -> Optional[Process]:
    if not isinstance(told, dict) or told.get("boot_id") != processes.boot_id() or not isinstance(told.get("pid"), int):
        return None
    living = processes.look_up(told["pid"])
    return living if living is not None and living.start_ticks == told.get("start_ticks") else None


def _cancel_unsupervised(run_dir: Path, grace_s: float, stragglers: List[Process]) -> Json:
    lock = take_lock(run_dir / "supervisor.lock", wait_s=_LOCK_WAIT_S)
    if lock is None:  # another cancel is at it, or a supervisor that cannot even be killed
        return status(run_dir)
    try:
        found = _read_status(run_dir)
        if found["state"] in states.FINAL:
            return found
        left = end_everything(run_dir, read_job(run_dir), lambda: _living(run_dir, stragglers), grace_s)
        reason = "cancelled; its supervisor was gone"
        if left:
            reason += "; these cannot be ended: {}".format(left.words())
        return _write_cancelled(run_dir, found, reason)
    finally:
        os.close(lock)


def _living(run_dir: Path, stragglers: List[Process]) -> List[Process]:
    found = {process.pid: process for process in processes.processes_of(run_dir)}
    found.update({one.pid: one for one in stragglers if processes.is_alive(one.pid, one.start_ticks)})
    return list(found.values())


def _write_cancelled(run_dir: Path, found: Json, reason: str) -> Json:
    now = round(time.time(), 3)
    for stage in found["stages"]:
        if stage["state"] == states.RUNNING:
            stage.update(state=states.CANCELLED, ended_at=now, reason=reason)
    found.update(state=states.CANCELLED, reason=reason, ended_at=now, updated_at=now)
    try:
        (run_dir / "secrets.json").unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        _record(run_dir, {"at": now, "event": "secrets_left", "reason": error.strerror})
    _record(run_dir, {"at": now, "event": "run_ended", "state": states.CANCELLED, "reason": reason})
    write_json(run_dir / "status.json", found)
    tell_of_end(run_dir)
    return found


def _record(run_dir: Path, event: Json) -> None:
    try:
        append_line(run_dir / "events.jsonl", event)
    except OSError:
        pass
