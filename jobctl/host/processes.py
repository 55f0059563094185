"""The processes of a run, and their end.

A process belongs to a run when it descends from the run's supervisor, or when its environment carries the run's id and
folder (`JOBCTL_RUN_ID`, `JOBCTL_RUN_DIR`). Never by name: another user's training looks the same.

Paddle's launcher puts each rank in a session of its own (launch/utils/process_context.py, seen on 3.3.1), so neither
`killpg` nor the end of the launcher reaches them. The supervisor is a child subreaper and inherits what is orphaned.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple

PR_SET_CHILD_SUBREAPER = 36
MARKER = "JOBCTL_RUN_ID"
FOLDER_MARKER = "JOBCTL_RUN_DIR"


class Process(NamedTuple):
    """One line of the process table. `start_ticks` (clock ticks after boot) tells two holders of one pid apart."""

    pid: int
    ppid: int
    state: str
    start_ticks: int


def become_subreaper() -> bool:
    """Inherit orphaned descendants (Linux 3.4, prctl(2)). False where the system does not offer it."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def boot_id() -> str:
    """Changes with every boot; "" where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def booted_at() -> Optional[float]:
    """When the host was started, seconds since the epoch; None where the kernel does not tell."""
    try:
        with open("/proc/stat") as handle:
            return next(float(line.split()[1]) for line in handle if line.startswith("btime "))
    except (OSError, ValueError, StopIteration):
        return None


def look_up(pid: int) -> Optional[Process]:
    """The process that holds `pid` now, zombies included; None when there is none."""
    try:
        with open("/proc/{}/stat".format(pid), "rb") as handle:
            stat = handle.read()
    except OSError:
        return None
    # The second field is the name in parentheses; it may itself hold parentheses and spaces.
    fields = stat[stat.rfind(b")") + 2 :].split()
    return Process(pid, int(fields[1]), fields[0].decode("ascii"), int(fields[19]))


def is_alive(pid: int, start_ticks: int) -> bool:
    """Whether the process that got `pid` at `start_ticks` still runs (a zombie does not)."""
    found = look_up(pid)
    return found is not None and found.start_ticks == start_ticks and found.state not in "ZX"


def marks_of(run_dir: Path) -> Dict[str, str]:
    """The variables that mark every process of a run."""
    return {MARKER: run_dir.name, FOLDER_MARKER: str(run_dir)}


def processes_of(run_dir: Path, root_pid: Optional[int] = None) -> List[Process]:
    """Living descendants of `root_pid` and living processes of this user marked with the run, without ourselves."""
    table = _process_table()
    wanted = _descendants(table, root_pid) if root_pid else set()
    marker, folder = os.fsencode("{}={}".format(MARKER, run_dir.name)), os.path.realpath(str(run_dir))
    wanted.update(pid for pid in table if pid not in wanted and _is_marked(pid, marker, folder))
    wanted -= {os.getpid(), root_pid or 0}
    return [table[pid] for pid in sorted(wanted) if table[pid].state not in "ZX"]


def send(process: Process, signum: int) -> bool:
    """Signal exactly this process; False when it is gone, or when somebody else has its pid by now."""
    descriptor = _open_pidfd(process.pid)
    try:
        if not is_alive(process.pid, process.start_ticks):
            return False
        if descriptor is None:
            os.kill(process.pid, signum)
        else:
            signal.pidfd_send_signal(descriptor, signum)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)


def end_all(
    find: Callable[[], List[Process]],
    grace_s: float,
    pause: Callable[[float], object] = time.sleep,
    give_up_s: float = 30.0,
) -> List[Process]:
    """TERM everything that `find` finds, KILL what is left after `grace_s`, until two walks in a row find nothing.

    Two walks, because a walk over /proc is not atomic: a process can fork behind it and end before it. `pause` is
    called between walks and may reap. Returns what lives on `give_up_s` after the first KILL (uninterruptible sleep).
    """
    started = time.monotonic()
    asked: Set[Tuple[int, int]] = set()
    empty_walks = 0
    while True:
        living = find()
        empty_walks = 0 if living else empty_walks + 1
        if empty_walks == 2:
            return []
        waited = time.monotonic() - started
        if living and waited > grace_s + give_up_s:
            return living
        for process in living:
            if waited >= grace_s:
                send(process, signal.SIGKILL)
            elif (process.pid, process.start_ticks) not in asked:
                asked.add((process.pid, process.start_ticks))
                send(process, signal.SIGTERM)
        if living:
            pause(0.05)


def _process_table() -> Dict[int, Process]:
    found = (look_up(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process is not None}


def _descendants(table: Dict[int, Process], root_pid: int) -> Set[int]:
    children: Dict[int, List[int]] = {}
    for process in table.values():
        children.setdefault(process.ppid, []).append(process.pid)
    found: Set[int] = set()
    todo = [root_pid]
    while todo:
        for pid in children.get(todo.pop(), []):
            if pid not in found:
                found.add(pid)
                todo.append(pid)
    return found


def _is_marked(pid: int, marker: bytes, folder: str) -> bool:
    place = "/proc/{}".format(pid)
    try:
        if os.stat(place).st_uid != os.geteuid():
            return False
        with open(place + "/environ", "rb") as handle:
            environ = handle.read().split(b"\0")
    except OSError:
        return False
    if marker not in environ:
        return False
    # Two work_dirs of one user may hold runs of one name; the same folder may have been spelled in another way.
    start = os.fsencode(FOLDER_MARKER + "=")
    told = [entry[len(start) :] for entry in environ if entry.startswith(start)]
    return os.path.realpath(os.fsdecode(told[0])) == folder if told else False


def _open_pidfd(pid: int) -> Optional[int]:
    """A handle that cannot pass to another process (Python 3.9, Linux 5.3); None where there is none."""
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
