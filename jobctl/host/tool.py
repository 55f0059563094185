"""Programs of the host that answer a question: started, given a time, and ended with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import List, NamedTuple

_SHOWN_BYTES = 64 << 10
_DIES_S = 1.0


class Said(NamedTuple):
    """The exit code (None: it was too slow, or could not be started) and what it printed, errors apart."""

    exit_code: int | None
    out: str
    err: str


def ask(argv: List[str], timeout_s: float) -> Said:
    """Run a program in the locale C. Never raises for what the program does."""
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, LC_ALL="C"),
            start_new_session=True,
        )
    except OSError as error:
        return Said(None, "", "{} could not be started: {}".format(argv[0], error.strerror))
    try:
        out, err = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(child)
        return Said(None, "", "{} gave no answer within {:g} s".format(argv[0], timeout_s))
    return Said(child.returncode, _text(out), _text(err))


def _end(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass
    try:
        child.wait(_DIES_S)
    except subprocess.TimeoutExpired:  # what hangs in a driver does not even die
        pass
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _text(data: bytes) -> str:
    return data[:_SHOWN_BYTES].decode("utf-8", "replace")
