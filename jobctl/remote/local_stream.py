"""A child process as a `ByteStream`."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress

from jobctl.errors import ConnectionLost
from jobctl.remote.streams import STDERR_BYTES

_GRACE_S = 5.0
_MUCH = 64 << 10
_GATHER_S = 0.0005


class LocalStream:
    """A running child. Every wait is also a wait for `close`: closing a pipe does not wake who waits for it."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._name = name
        self._in, self._out, self._err = process.stdin, process.stdout, process.stderr
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe.fileno(), False)
        self._closing, self._wake = os.pipe()
        self._in_lock, self._out_lock = threading.Lock(), threading.Lock()
        self._close_lock = threading.Lock()
        self.is_open = True
        self._stderr = b""
        self._drain = threading.Thread(target=self._drain_stderr, name=f"jobctl-stderr-{name}", daemon=True)
        self._drain.start()

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes; b"" at the end, and after `close`."""
        room = bytearray(size)
        with memoryview(room) as view:
            count = self.read_into(view)
        return bytes(room[:count])

    def read_into(self, room: memoryview) -> int:
        """The same into `room`: how many bytes came."""
        with self._out_lock:
            while self.is_open:
                try:
                    return os.readv(self._out.fileno(), [room])
                except BlockingIOError:
                    if self._ready(self._out.fileno(), select.POLLIN) and len(room) > _MUCH:
                        time.sleep(_GATHER_S)  # ssh writes 32 KiB at a time: not to be woken for each
        return 0

    def write(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionLost when the program reads no more."""
        view = memoryview(data)
        with self._in_lock:
            while view:
                if not self._ready(self._in.fileno() if not self._in.closed else -1, select.POLLOUT):
                    raise self._takes_no_more()
                try:
                    view = view[os.write(self._in.fileno(), view) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise self._takes_no_more() from None

    def end_input(self) -> None:
        """The program reads end of file."""
        with self._in_lock:
            self._in.close()

    def finish(self, timeout_s: float = _GRACE_S) -> tuple[int | None, bytes]:
        """The exit code (negative: a signal; None: unknown) and the end of standard error, within `timeout_s`."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None, self._stderr
        self._drain.join(1.0)
        return code, self._stderr

    def close(self) -> None:
        """Hang up. The program that does not end by itself is terminated after 5 s, with its process group."""
        with self._close_lock:
            if not self.is_open:
                return
            self.is_open = False
        os.write(self._wake, b"x")
        with self._in_lock, self._out_lock:
            self._in.close()
            self._out.close()
        threading.Thread(target=self._bury, name=f"jobctl-bury-{self._name}", daemon=True).start()

    def _ready(self, fd: int, event: int) -> bool:
        """Wait for the pipe; False when the stream is closed."""
        if fd < 0 or not self.is_open:
            return False
        poll = select.poll()
        poll.register(fd, event)
        poll.register(self._closing, select.POLLIN)
        return all(ready != self._closing for ready, _ in poll.poll())

    def _drain_stderr(self) -> None:
        with self._err:
            while self._ready(self._err.fileno(), select.POLLIN):
                with suppress(BlockingIOError):
                    data = os.read(self._err.fileno(), 65536)
                    if not data:
                        return
                    self._stderr = (self._stderr + data)[-STDERR_BYTES:]

    def _bury(self) -> None:
        """The child is waited for, so that no zombie stays; its group is a session that we made for it."""
        for end in (None, signal.SIGTERM, signal.SIGKILL):
            if end is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, end)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
                break
        self._drain.join()
        os.close(self._closing)
        os.close(self._wake)

    def _takes_no_more(self) -> ConnectionLost:
        return ConnectionLost(f"the program on {self._name} takes no more input", where=self._name, hint="it has ended")
