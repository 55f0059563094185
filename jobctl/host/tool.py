"""Programs of the host that answer a question: started, given a time, and ended with all they started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import List, NamedTuple, Tuple

_SHOWN_BYTES = 256 << 10  # npu-smi of 16 cards with hundreds of processes: 50 kB
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
        out, err = _outputs(child, timeout_s)
    except subprocess.TimeoutExpired:
        _end(child)
        return Said(None, "", "{} gave no answer within {:g} s".format(argv[0], timeout_s))
    return Said(child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _outputs(child: subprocess.Popen[bytes], timeout_s: float) -> Tuple[bytes, bytes]:
    """The beginning of each; what is too much is read and forgotten. Raises TimeoutExpired."""
    assert child.stdout is not None and child.stderr is not None
    kept = {child.stdout.fileno(): b"", child.stderr.fileno(): b""}
    out, err = kept
    deadline = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as waiting, child.stdout, child.stderr:
        for descriptor in kept:
            waiting.register(descriptor, selectors.EVENT_READ)
        while waiting.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, timeout_s)
            for key, _ in waiting.select(left):
                piece = os.read(key.fd, 1 << 16)
                kept[key.fd] = (kept[key.fd] + piece)[:_SHOWN_BYTES] if piece else kept[key.fd]
                if not piece:
                    waiting.unregister(key.fd)
    child.wait(max(0.0, deadline - time.monotonic()))
    return kept[out], kept[err]


def _end(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass
    try:
        child.wait(_DIES_S)
    except subprocess.TimeoutExpired:  # what hangs in a driver does not even die
        pass
