"""On PYTHONPATH of a submit, or of its host program: SIGKILL for the laptop's process just before step number $KILL_AT.

A step is an effect that others can see: a file opened for writing, renamed, linked, locked or removed, a process
started, as Python's own audit events tell them. $STEPS is a file that gets a line for each. Python 3.8 or newer.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

_EFFECTS = {"os.rename", "os.remove", "os.mkdir", "os.link", "os.symlink", "fcntl.flock", "subprocess.Popen"}
_WRITES = os.O_WRONLY | os.O_RDWR

kill_at = os.environ.pop("KILL_AT", "")  # none of the processes that are started from here
log = os.environ.pop("STEPS", "")
victim = os.getppid() if os.environ.pop("KILL_PARENT", "") else os.getpid()
steps: list[str] = []


def count(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = args
        written = isinstance(flags, int) and flags & _WRITES and not str(path).startswith(("/dev/", "/proc/"))
        if not written or ".pyc" in str(path) or path == log:
            return
    elif event not in _EFFECTS:
        return
    steps.append(event)
    if log:
        with open(log, "a") as handle:
            handle.write(f"{event} {args[0]!r}\n")
    if kill_at and len(steps) == int(kill_at):
        os.kill(victim, signal.SIGKILL)


if kill_at or log:
    sys.addaudithook(count)
