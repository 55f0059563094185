"""The end of everything that a run has started: its processes, and its containers with whatever is in them.

Processes in a container are no children of ours, but they are the user's own and carry the run's mark, so that they
are asked to end one by one, as those outside are. What is left, or not to be seen from here, ends with the container:
the kernel kills all that is in it when its process 1 goes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional

from . import processes
from .files import Json
from .processes import Process

_CLIENT_GRACE_S = 2.0


class Left(NamedTuple):
    """What could not be ended."""

    pids: List[int]
    containers: List[str]

    def __bool__(self) -> bool:
        return bool(self.pids or self.containers)

    def words(self) -> str:
        """For a sentence that begins with "these"."""
        told = ["processes " + ", ".join(map(str, self.pids))] if self.pids else []
        return " and ".join(told + (["containers " + ", ".join(self.containers)] if self.containers else []))


def end_everything(
    run_dir: Path,
    job: Optional[Json],
    find: Callable[[], List[Process]],
    grace_s: float,
    pause: Callable[[float], object] = time.sleep,
) -> Left:
    """End what `find` finds, TERM first, KILL after `grace_s`; then the run's containers. `job`: job.json."""
    spec = (job or {}).get("container")
    if not spec:
        return Left([one.pid for one in processes.end_all(find, grace_s, pause)], [])
    from . import engine  # here, not above: most runs have no containers

    in_the_making = any(_stands_by(one.pid) for one in find())
    processes.end_all(lambda: _those_to_ask(find()), grace_s, pause)
    containers = engine.remove_containers(spec["engine"], run_dir, in_the_making)
    left = processes.end_all(find, _CLIENT_GRACE_S, pause)
    return Left([one.pid for one in left], containers)


def _those_to_ask(found: List[Process]) -> List[Process]:
    """Not those who only stand by, as long as others live.

    The client hands a signal on to the container's process 1, that hands it on to the launcher, and Paddle's launcher
    takes a second SIGTERM for impatience: it waits 10 s for its ranks, not 30 (launch/controllers, 3.3.1).
    """
    return [one for one in found if not _stands_by(one.pid)] or found


def _stands_by(pid: int) -> bool:
    place = Path("/proc") / str(pid)
    if b"JOBCTL_ENGINE_CLIENT=1" in _read(place / "environ").split(b"\0"):
        return True
    if _read(place / "comm").strip() == b"conmon":  # Podman's, which holds the container; a child of ours
        return True
    for line in _read(place / "status").splitlines():
        if line.startswith(b"NSpid:"):  # since Linux 4.1: its pid here, and in each namespace that it is in
            return len(line.split()) > 2 and line.split()[-1] == b"1"
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
