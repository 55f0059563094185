"""The second carrier: the system's own `ssh` as a Transport, for bytes in bulk (three times faster than paramiko).

It is only ever made from a connection of ours that stands: every hop's host key has been checked by then, and it is
told exactly that key (`openssh_files`). Nothing secret is in its arguments, its files or its standard input.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jobctl.errors import ConnectError, ConnectionLost, HostError
from jobctl.remote.local_stream import LocalStream
from jobctl.remote.ssh.command import START, make_remote_command
from jobctl.remote.ssh.openssh_files import CONFIG, TARGET, Step, make_openssh_files
from jobctl.remote.ssh.settings import Tuning
from jobctl.remote.streams import run_to_end
from jobctl.remote.transport import Completed

_OWN_FAILURE = 255
"""ssh's exit code when it fails itself, when a signal ended the program there (9.2 does not say which), and when the
program exited with it: so it says nothing."""
_DROPPED = (b"kex_exchange_identification", b"Connection reset", b"Connection closed", b"Broken pipe", b"MaxStartups")
_PIPE_BYTES = 1 << 20
_BANNER_BYTES = 1 << 20
_MOMENT_S = 1.0


class OpensshTransport:
    """Commands on one host, each over a connection of its own."""

    in_bulk = True

    def __init__(self, name: str, steps: Sequence[Step], tuning: Tuning) -> None:
        """Raises NotForOpenssh where OpenSSH's client cannot go this way, or there is none."""
        self.name = name
        self._tuning = tuning
        self._streams: list[OpensshStream] = []
        self._folder = tempfile.TemporaryDirectory(prefix="jobctl-ssh-")  # mode 0700
        try:
            files = make_openssh_files(steps, self._folder.name, tuning)
            for file, text in files.texts.items():
                (Path(self._folder.name) / file).write_text(text, encoding="utf-8")
            for link, target in files.links.items():
                (Path(self._folder.name) / link).symlink_to(Path(target).expanduser().absolute())
        except BaseException:
            self._folder.cleanup()
            raise

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0) -> Completed:
        """As `Transport.run`. How a program ended that a signal killed is not known: ConnectionLost."""
        return run_to_end(self.open(argv), argv, stdin, timeout_s, self.name)

    def open(self, argv: Sequence[str]) -> OpensshStream:
        """Connect and start a program; tried again when the server drops us (MaxStartups). Raises HostErrors."""
        command = make_remote_command(argv)
        for attempt in range(1, self._tuning.attempts + 1):
            stream = OpensshStream(self._start(command), self.name)
            self._streams.append(stream)
            try:
                stream.await_start()
                return stream
            except _Dropped as error:
                if attempt == self._tuning.attempts:
                    raise _no_connection(self.name, error.said) from None
                time.sleep(self._tuning.first_pause_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # jitter
        raise AssertionError("unreachable")

    def another(self) -> None:
        """Each program has a connection of its own already."""

    def close(self) -> None:
        """Hang up on everything. Safe to call twice."""
        for stream in self._streams:
            stream.close()
        self._folder.cleanup()

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        # A session of its own: nobody is asked on the terminal, and Ctrl-C is ours to pass on.
        process = subprocess.Popen(
            ["ssh", "-F", str(Path(self._folder.name) / CONFIG), TARGET, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
            start_new_session=True,
        )
        for pipe in (process.stdin, process.stdout):
            with suppress(AttributeError, OSError):  # Linux, Python 3.10; beyond the user's share it stays small
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
        return process


def has_openssh() -> bool:
    """Whether there is an `ssh` on PATH."""
    return shutil.which("ssh") is not None


class _Dropped(Exception):
    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said


class OpensshStream:
    """A `ByteStream` over one `ssh` process."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self._local = LocalStream(process, name)
        self._name = name
        self._pending = b""
        self._closed = False

    def await_start(self) -> None:
        """Until the program runs. What the login shell prints before is not its output. Raises HostErrors, _Dropped."""
        heard = b""
        while START not in heard:
            data = self._local.read(65536)
            heard += data
            if not data or len(heard) > _BANNER_BYTES:
                code, stderr = self._local.finish()
                self.close()
                raise self._not_started(code, heard, stderr)
        self._pending = heard.partition(START)[2]

    def _not_started(self, code: int | None, heard: bytes, stderr: bytes) -> Exception:
        said = (heard[-1000:] + b"\n" + stderr).decode(errors="replace").strip()
        if code != _OWN_FAILURE:
            return HostError(
                f"the login shell of {self._name} did not run the command",
                where=self._name,
                value=said or f"exit code {code}",
                hint="may the account log in and run commands? Do its shell's start-up files leave early?",
            )
        if any(word in stderr for word in _DROPPED):
            return _Dropped(said)
        return _no_connection(self._name, said)

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes; b"" at the end. Raises ConnectionLost."""
        data = self._pending[:size] or self._local.read(size)
        self._pending = self._pending[size:]
        if not data:
            self._check_lost()
        return data

    def read_into(self, room: memoryview) -> int:
        """As `ByteStream.read_into`, without a copy in between."""
        if self._pending:
            data = self.read(len(room))
            room[: len(data)] = data
            return len(data)
        count = self._local.read_into(room)
        if not count:
            self._check_lost()
        return count

    def _check_lost(self) -> None:
        if not self._closed:
            code, stderr = self._local.finish(_MOMENT_S)
            if code == _OWN_FAILURE and stderr.strip():
                raise self._lost(stderr)

    def write(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionLost."""
        self._local.write(data)

    def end_input(self) -> None:
        """The program reads end of file."""
        self._local.end_input()

    def finish(self, timeout_s: float = 5.0) -> tuple[int | None, bytes]:
        """The exit code, where it is one, and the end of standard error."""
        code, stderr = self._local.finish(timeout_s)
        return (None if code == _OWN_FAILURE or (code or 0) < 0 else code), stderr

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._local.close()

    def _lost(self, stderr: bytes) -> ConnectionLost:
        said = stderr.decode(errors="replace").strip()
        return ConnectionLost(
            f"the connection to {self._name} is lost",
            where=self._name,
            value=said[-500:],
            hint="what runs on the host goes on; run the same command again to look at it",
        )


def _no_connection(name: str, said: str) -> ConnectError:
    return ConnectError(f"ssh did not connect to {name}", where=name, value=said[-1000:] or None)
