"""Tells the desktop that a run is over, for those who follow it in a terminal behind other windows.

`notify-send` (Linux, libnotify) or `osascript` (macOS), where one is installed; JOBCTL_DESKTOP=no switches it off.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys

from jobctl.monitor.plain import plain

_SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")
_PATIENCE_S = 5.0


def tell_desktop(title: str, text: str) -> None:
    """Without a terminal, or without such a program, nothing happens; nor if it fails."""
    terminal = sys.__stderr__  # the live view puts another in the place of sys.stderr
    if terminal is None or not terminal.isatty() or os.environ.get("JOBCTL_DESKTOP", "").lower() in ("no", "off", "0"):
        return
    argv = _argv(plain(title), plain(text)[:300])
    if argv is None:
        return
    null = subprocess.DEVNULL
    try:
        subprocess.run(argv, stdin=null, stdout=null, stderr=null, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired, ValueError):  # no session to tell, or one that does not answer
        pass


def _argv(title: str, text: str) -> list[str] | None:
    if program := shutil.which("notify-send"):
        return [program, "--app-name=jobctl", "--", title, html.escape(text)]  # servers read markup in the second
    if program := shutil.which("osascript"):
        return [program, *(word for line in _SCRIPT for word in ("-e", line)), title, text]
    return None
