"""This machine as a host: for tests, and for a training machine that somebody sits at."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobctl.errors import ConnectionLost
from jobctl.remote.streams import STDERR_BYTES, run_to_end
from jobctl.remote.transport import Completed

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
"""What a shell says, as it does on a host that is reached by SSH."""


class LocalTransport:
    """Commands on this machine, in the home folder, as after a login. `env` takes the place of our own environment."""

    def __init__(self, name: str, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._env = dict(os.environ if env is None else env)
        self._streams: list[LocalStream] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """Run to the end; standard error is its last 64 KiB. Raises HostError when `timeout_s` is over."""
        return run_to_end(self.open(argv), argv, stdin, timeout_s, self.name)

    def open(self, argv: Sequence[str]) -> LocalStream:
        """Start a program. One that is not there exits with 127, as it would behind a shell."""
        home = Path(self._env.get("HOME", "/"))
        self._streams = [stream for stream in self._streams if stream.is_open]
        stream = LocalStream(_start(argv, self._env, home if home.is_dir() else Path("/")), self.name)
        self._streams.append(stream)
        return stream

    def close(self) -> None:
        """End what was started. Safe to call twice."""
        for stream in self._streams:
            stream.close()


def _start(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=cwd, start_new_session=True)
    except OSError as error:
        code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        script = 'printf "%s\\n" "$1" >&2; exit "$2"'
        argv = ["/bin/sh", "-c", script, "sh", f"{argv[0]}: {error.strerror}", str(code)]
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True)


class LocalStream:
    """A `ByteStream` to a child process. Every wait is also a wait for `close`, which closing a pipe would not end."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._name = name
        self._in, self._out, self._err = process.stdin, process.stdout, process.stderr
        os.set_blocking(self._in.fileno(), False)
        self._closing, self._wake = os.pipe()
        self._lock = threading.Lock()
        self._input_lock = threading.Lock()
        self.is_open = True
        self._stderr = b""
        self._drain = threading.Thread(target=self._drain_stderr, name=f"jobctl-stderr-{name}", daemon=True)
        self._drain.start()
