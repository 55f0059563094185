"""A program that runs on the host, and its three streams, over one channel of a session."""

from __future__ import annotations

import threading
import time

import paramiko

from jobctl.errors import ConnectionLost, HostError
from jobctl.remote.ssh.command import START
from jobctl.remote.ssh.failures import make_connection_lost
from jobctl.remote.ssh.session import Session
from jobctl.remote.ssh.settings import Tuning
from jobctl.remote.streams import STDERR_BYTES

_PIECE_BYTES = 32704
"""What fits into one packet: paramiko copies the rest of a longer piece for every packet it sends."""
_BANNER_BYTES = 1 << 20


def start(session: Session, command: str, name: str, tuning: Tuning) -> SshStream:
    """Run a line of `make_remote_command`. Raises ConnectionLost, or HostError when no channel is to be had."""
    try:
        channel = session.open_session(timeout=tuning.session_timeout_s)
    except paramiko.ChannelException as error:
        raise HostError(
            f"{name} gives no further session on this connection",
            where=name,
            value=error.text,
            hint="sshd's MaxSessions (10 by default) is reached: do less at the same time, or raise it",
        ) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise make_connection_lost(name, error) from None
    stream = SshStream(session, channel, name)
    session.execute(channel, command)
    return stream


class SshStream:
    """A `ByteStream`. What the login shell prints before the program starts is not part of its output."""

    def __init__(self, session: Session, channel: paramiko.Channel, name: str) -> None:
        self._session = session
        self._channel = channel
        self._name = name
        self._closed = False
        self._started = False
        self._pending = b""
        self._stderr = b""
        # Standard error shares the channel's window: left alone, 2 MiB of it would stop standard output as well.
        self._drain = threading.Thread(target=self._drain_stderr, name=f"jobctl-stderr-{name}", daemon=True)
        self._drain.start()

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes; b"" at the end. Raises ConnectionLost; HostError: nothing was run."""
        if not self._started:
            self._pass_banner()
        data = self._pending[:size] or self._receive(size)
        self._pending = self._pending[size:]
        if not data:
            self._check_lost()
        return data

    def read_into(self, room: memoryview) -> int:
        """As `ByteStream.read_into`."""
        data = self.read(len(room))
        room[: len(data)] = data
        return len(data)

    def write(self, data: bytes) -> None:
        """All of `data`. Raises ConnectionLost when the program or the connection has ended."""
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(bytes(view[:_PIECE_BYTES]))
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise self._lost(error) from None
            if sent == 0 or not self._session.is_active():
                raise self._lost(None)
            view = view[sent:]

    def end_input(self) -> None:
        """The program reads end of file."""
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError, paramiko.SSHException):
            return

    def finish(self, timeout_s: float = 5.0) -> tuple[int | None, bytes]:
        """The exit code (negative: a signal; None: unknown) and the end of standard error, within `timeout_s`."""
        end = time.monotonic() + timeout_s
        self._channel.status_event.wait(timeout_s)
        code = self._session.exit_code(self._channel)
        if code is not None:
            self._drain.join(max(0.0, min(1.0, end - time.monotonic())))
        return code, self._stderr

    def close(self) -> None:
        """Hang up: the program loses its input and output. Safe twice, and while a read waits, which then ends."""
        self._closed = True
        try:
            self._channel.close()
        except (OSError, EOFError, paramiko.SSHException):
            return

    def _receive(self, size: int) -> bytes:
        try:
            data: bytes = self._channel.recv(size)
        except (OSError, EOFError, paramiko.SSHException) as error:
            # Having read, recv tells the host that there is room again (paramiko 5.1.0); it may be gone just then.
            if self._closed:
                return b""
            raise make_connection_lost(self._name, self._session.saved_exception or error) from None
        return data

    def _pass_banner(self) -> None:
        heard = b""
        while START not in heard:
            data = self._receive(65536)
            if not data:
                self._check_lost()
                if self._closed:
                    break
                raise self._not_started(heard)
            heard += data
            if len(heard) > _BANNER_BYTES:
                raise self._not_started(heard)
        self._pending = heard.partition(START)[2]
        self._started = True

    def _not_started(self, heard: bytes) -> HostError:
        code, stderr = self.finish()
        said = (heard + b"\n" + stderr).decode(errors="replace").strip()
        return HostError(
            f"the login shell of {self._name} did not run the command",
            where=self._name,
            value=said[-2000:] or f"exit code {code}",
            hint="may the account log in and run commands? Do its shell's start-up files leave early?",
        )

    def _check_lost(self) -> None:
        """The end of the output is no end when nobody said so."""
        said = self._channel.eof_received or self._session.exit_code(self._channel) is not None
        if not said and not self._closed and self._session.is_ending():
            raise self._lost(None)

    def _lost(self, error: Exception | None) -> ConnectionLost:
        if not self._session.is_ending():
            return ConnectionLost(
                f"the program on {self._name} takes no more input", where=self._name, hint="it has ended"
            )
        return make_connection_lost(self._name, self._session.saved_exception or error)

    def _drain_stderr(self) -> None:
        try:
            while data := self._channel.recv_stderr(65536):
                self._stderr = (self._stderr + data)[-STDERR_BYTES:]
        except (OSError, EOFError, paramiko.SSHException):  # as in `_receive`; whoever reads the output is told
            return
