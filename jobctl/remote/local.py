"""This machine as a host: for tests, and for a training machine that somebody sits at."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobctl.remote.local_stream import LocalStream
from jobctl.remote.streams import run_to_end
from jobctl.remote.transport import Completed

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
"""What a shell says of a program that cannot be started, as on a host that is reached by SSH."""


class LocalTransport:
    """Commands on this machine, in the home folder, as after a login. `env` takes the place of our own environment."""

    in_bulk = True

    def __init__(self, name: str, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._env = dict(os.environ if env is None else env)
        self._streams: list[LocalStream] = []

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """Run to the end; standard error is its last 64 KiB. Raises HostError when `timeout_s` is over."""
        return run_to_end(self.open(argv), argv, stdin, timeout_s, self.name)

    def open(self, argv: Sequence[str]) -> LocalStream:
        """Start a program. One that cannot be started exits with 127 or 126, as behind a shell."""
        if not argv:
            raise ValueError("not an argv that a program can be given: []")
        self._streams = [stream for stream in self._streams if stream.is_open]
        stream = LocalStream(_start(argv, self._env), self.name)
        self._streams.append(stream)
        return stream

    def another(self) -> None:
        """No link between us that one program could not fill."""

    def close(self) -> None:
        """Hang up on everything that was started. Safe to call twice."""
        for stream in self._streams:
            stream.close()


def _start(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return _popen(argv, env)
    except OSError as error:
        code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        script = 'printf "%s\\n" "$1" >&2; exit "$2"'
        return _popen(["/bin/sh", "-c", script, "sh", f"{argv[0]}: {error.strerror}", str(code)], env)


def _popen(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    home = Path(env.get("HOME", "/"))
    pipe = subprocess.PIPE
    return subprocess.Popen(
        list(argv),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=env,
        cwd=home if home.is_dir() else "/",
        start_new_session=True,
    )
