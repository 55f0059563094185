"""The supervisor's clock: it sleeps until a child ends, somebody asks it to stop, or the time is over."""

from __future__ import annotations

import os
import select
import signal
from typing import Any, Dict, Optional


class Stopped(Exception):
    """SIGTERM or SIGINT came: the run is to be cancelled."""


class Signals:
    """SIGTERM and SIGINT ask to stop, SIGHUP is ignored, SIGCHLD wakes. Reaps every child, adopted ones too.

    Children are reaped here and nowhere else: a `Popen.wait` beside it would lose exit codes.
    """

    def __init__(self) -> None:
        self.stop_asked = False
        self._exits: Dict[int, int] = {}
        self._awake, self._wake = os.pipe()
        for descriptor in (self._awake, self._wake):
            os.set_blocking(descriptor, False)

    def __enter__(self) -> Signals:
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._ask_to_stop)
        # A handler that does nothing, not SIG_IGN: what is ignored stays ignored in every stage that we start.
        for signum in (signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signum, lambda signum, frame: None)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.set_wakeup_fd(-1)

    def _ask_to_stop(self, signum: int, frame: Any) -> None:
        self.stop_asked = True

    def pause(self, seconds: float) -> None:
        """Sleep at most `seconds`; less when something happened. Raises Stopped."""
        self.pause_through(seconds)
        if self.stop_asked:
            raise Stopped

    def pause_through(self, seconds: float) -> None:
        """As `pause`, and goes on when asked to stop."""
        ready, _, _ = select.select([self._awake], [], [], seconds)
        if ready:
            try:
                os.read(self._awake, 4096)
            except BlockingIOError:
                pass
        self._reap()

    def expect(self, pid: int) -> None:
        """Tell of a child just started: an exit code kept under its pid is somebody else's."""
        self._exits.pop(pid, None)

    def exit_code(self, pid: int) -> Optional[int]:
        """What our child `pid` ended with, negative for a signal; None while it runs. Answers once."""
        return self._exits.pop(pid, None)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._exits[pid] = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
