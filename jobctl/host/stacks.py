"""Where the processes of a run that hangs are: with py-spy where the host has it, else what /proc tells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, List, Optional

from .files import write_bytes
from .processes import Process

_PY_SPY_TIMEOUT_S = 10
_MOST = 64
_FROM_STATUS = ("Name", "State", "PPid", "Threads", "VmRSS")


def collect(found: List[Process], venv: str, target: Path, hide: Callable[[str], str]) -> bool:
    """Write `target`, readable by this user only; False when the disk refuses. `venv`: may hold a py-spy too."""
    places = os.pathsep.join(
        place for place in (os.path.join(venv, "bin") if venv else "", os.environ.get("PATH")) if place
    )
    py_spy = shutil.which("py-spy", path=places)
    parts = [_describe(process.pid, py_spy) for process in found[:_MOST]]
    if py_spy is None:
        parts.insert(0, "py-spy is not on this host: pip install py-spy in the environment shows Python's stacks too\n")
    try:
        write_bytes(target, hide("\n".join(parts)).encode("utf-8", "surrogateescape"), 0o600)
    except OSError:
        return False
    return True


def _describe(pid: int, py_spy: Optional[str]) -> str:
    place = Path("/proc") / str(pid)
    command = _read(place / "cmdline").replace("\0", " ").strip()
    lines = ["== process {}: {}".format(pid, command)]
    lines += [line for line in _read(place / "status").splitlines() if line.partition(":")[0] in _FROM_STATUS]
    if py_spy is not None:
        lines.append(_dump(py_spy, pid))
    for thread in _threads(place):
        lines.append("thread {}: waits in {}".format(thread.name, _read(thread / "wchan") or "?"))
        stack = _read(thread / "stack")  # root only, mostly
        lines += ["    " + line for line in stack.splitlines()]
    return "\n".join(lines) + "\n"


def _dump(py_spy: str, pid: int) -> str:
    try:
        done = subprocess.run(
            [py_spy, "dump", "--pid", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PY_SPY_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "py-spy failed: {}".format(error)
    return done.stdout.decode("utf-8", "replace").rstrip()


def _threads(place: Path) -> List[Path]:
    try:
        return [place / "task" / name for name in sorted(os.listdir(str(place / "task")), key=int)]
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
