"""Which rank goes first. The launcher (3.3.1) tells only an exit code of its own, and sometimes the wrong rank.

A rank is the eldest process whose standard output is its worker log: its data loaders inherit that, its launcher has
another. What one ended with stands in /proc until its parent asks; mostly, but not always, it is seen there.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Dict, Optional

from . import processes
from .processes import Process
from .watch import worker_logs

_LOOK_EVERY_S = 2.0
_BLOWS = (-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGBUS)  # not SIGABRT: gloo's end when a peer is gone
_VICTIM = -signal.SIGTERM  # so the launcher ends the ranks that are left


class Ranks:
    """The processes behind the worker logs in `log_dir`."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._found: Dict[int, Process] = {}
        self._gone: Dict[int, Optional[int]] = {}
        self._first: Optional[Dict[int, Optional[int]]] = None
        self._looked_at = -_LOOK_EVERY_S

    def poll(self) -> None:
        """Look who is there. To be called again and again: those that are gone at once are no order."""
        logs = worker_logs(self._log_dir)
        if len(self._found) < len(logs) and time.monotonic() - self._looked_at >= _LOOK_EVERY_S:
            self._find(logs)
            self._looked_at = time.monotonic()
        news = self._newly_gone()
        failed = {rank: code for rank, code in news.items() if code not in (0, _VICTIM)}
        if failed and self._first is None:
            alive = len(self._gone) < len(self._found)
            # One that was gone before we knew its process may have been before all of these.
            unknown = len(self._found) < len(logs)
            self._first = {} if unknown else failed if alive else _first_of_all(failed)

    @property
    def first_gone(self) -> Dict[int, Optional[int]]:
        """The ranks that went before all others, and what they ended with where that was seen."""
        return dict(self._first or {})

    def _newly_gone(self) -> Dict[int, Optional[int]]:
        """Those that have gone since the last look, with their exit codes where these are seen.

        Who was looked at first may have gone while the others were, and may be why they went: so until nobody more is.
        """
        news: Dict[int, Optional[int]] = {}
        while True:
            more = {
                rank: _exit_code(process.pid)
                for rank, process in self._found.items()
                if rank not in self._gone and not processes.is_alive(process.pid, process.start_ticks)
            }
            if not more:
                return news
            self._gone.update(more)
            news.update(more)

    def _find(self, logs: Dict[int, Path]) -> None:
        ranks = {os.path.realpath(str(path)): rank for rank, path in logs.items()}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                rank = ranks.get(os.readlink("/proc/{}/fd/1".format(name)))
            except OSError:
                continue
            process = processes.look_up(int(name)) if rank is not None else None
            if rank is None or process is None:
                continue
            if rank not in self._found or process.start_ticks < self._found[rank].start_ticks:
                self._found[rank] = process


def _first_of_all(failed: Dict[int, Optional[int]]) -> Dict[int, Optional[int]]:
    """Of ranks that all went between two looks: the one that was killed, when each is known to have ended otherwise."""
    killed: Dict[int, Optional[int]] = {rank: code for rank, code in failed.items() if code in _BLOWS}
    return killed if len(killed) == 1 and None not in failed.values() else {}


def _exit_code(pid: int) -> Optional[int]:
    """Of a process that has ended and was not yet asked for: the last field of its stat."""
    try:
        with open("/proc/{}/stat".format(pid), "rb") as handle:
            fields = handle.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] != b"Z":
        return None
    status = int(fields[49])
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
