"""paramiko's Transport with six repairs (paramiko 5.1.0, OpenSSH 9.2).

- A peer that is silent is found out. paramiko's keepalive asks for no answer, so it finds nothing: we ask for one.
- A reply that paramiko's own thread has to send while new keys are negotiated waited 30 s for that same thread and then
  killed the connection ("Key-exchange timed out waiting for key negotiation"): a channel that the server closes in that
  moment, which at the end of a gigabyte is the usual moment. Such replies are kept until the keys are there.
- What other threads had to say meanwhile was sent after those replies: an end of input after its channel's goodbye, for
  which the server hung up. All messages of that time are kept in order, and none follows its channel's goodbye.
- A program that a signal ended is known by its signal.
- The login service is asked for once, not with every key: asyncssh 2.24 hangs up at the second time. (paramiko's own
  ServiceRequestingTransport sleeps, and may miss an answer that comes at once.)
- The key types of the host that we know are asked for first, all of them.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import MSG_CHANNEL_REQUEST, cMSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

from jobctl.remote.ssh.closed import ClosedChannels
from jobctl.remote.ssh.line import Line
from jobctl.remote.ssh.settings import Tuning

# Its threads log tracebacks, which without a handler end on the user's terminal; what matters is raised to us as well.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _Packets(Packetizer):
    def __init__(self, sock: socket.socket) -> None:
        self.line = Line(sock)
        self.greeting = ""
        """What the server said in place of its version, or before it: `Exceeded MaxStartups`, `HTTP/1.1 400 ...`."""
        super().__init__(self.line)  # type: ignore[arg-type]  # it calls send, recv and close

    def readline(self, timeout: float) -> str:
        line = super().readline(timeout)
        if not line.startswith("SSH-"):
            self.greeting += line[:200]
        return line


_MOMENT_S = 0.5
_CIPHER = "aes128-gcm@openssh.com"
Answers = Callable[[str, str, list[tuple[str, bool]]], list[str]]
"""Title, text and questions (with: may the answer be seen?) of keyboard-interactive -> the answers."""


class _OneService(AuthHandler):
    """paramiko's handler asks for the login service before each login, and logs in when that is granted."""

    transport: Session

    def _request_auth(self) -> None:
        if self.transport.login_served:
            granted = paramiko.Message()
            granted.add_string("ssh-userauth")
            granted.rewind()
            super()._parse_service_accept(granted)  # type: ignore[misc]
        else:
            super()._request_auth()  # type: ignore[misc]

    def _parse_service_accept(self, m: paramiko.Message) -> None:
        self.transport.login_served = True
        super()._parse_service_accept(m)  # type: ignore[misc]


class Session(paramiko.Transport):
    """One authenticated connection to one hop."""

    packetizer: _Packets

    def __init__(self, sock: socket.socket | paramiko.Channel, tuning: Tuning, first_kinds: Sequence[str] = ()) -> None:
        super().__init__(sock, packetizer_class=_Packets)
        self._tuning = tuning
        self._held: list[paramiko.Message] = []
        self._closed = ClosedChannels()
        self.clear_to_send_lock = threading.RLock()  # type: ignore[assignment]  # `_parse_newkeys` takes it twice
        self._exit_signals: dict[int, int] = {}
        self.login_served = False
        self.packetizer.REKEY_BYTES = tuning.rekey_bytes
        self._channel_handler_table = {  # a table of the class, here of the instance
            **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
            MSG_CHANNEL_REQUEST: self._on_channel_request,
        }
        self._prefer(first_kinds)

    @property
    def line(self) -> Line:
        return self.packetizer.line

    @property
    def greeting(self) -> str:
        return self.packetizer.greeting

    def watch(self) -> None:
        """Look after the peer from now on."""
        self.line.watch(self._tuning, self._ping)

    def auth_none(self, username: str) -> list[str]:
        return self._log_in(lambda handler, answered: handler.auth_none(username, answered))

    def auth_publickey(self, username: str, key: paramiko.PKey) -> list[str]:  # type: ignore[override]
        return self._log_in(lambda handler, answered: handler.auth_publickey(username, key, answered))

    def auth_password(self, username: str, password: str) -> list[str]:  # type: ignore[override]
        return self._log_in(lambda handler, answered: handler.auth_password(username, password, answered))

    def auth_interactive(self, username: str, handler: Answers, submethods: str = "") -> list[str]:
        answer = handler
        return self._log_in(lambda handler, answered: handler.auth_interactive(username, answer, answered, submethods))

    def _log_in(self, ask: Callable[[AuthHandler, threading.Event], None]) -> list[str]:
        answered = threading.Event()
        self.auth_handler = handler = _OneService(self)
        ask(handler, answered)
        return handler.wait_for_response(answered)

    def run(self) -> None:
        """The session's thread. What ends it is kept in `saved_exception`; its own last goodbye may fail."""
        with suppress(EOFError, OSError, paramiko.SSHException):
            super().run()

    def is_ending(self) -> bool:
        """True when the connection is gone. paramiko ends the channels first and says so of itself a moment later."""
        if self.is_active() and self.saved_exception is None:
            self.join(_MOMENT_S)
        return not self.is_active() or self.saved_exception is not None

    def execute(self, channel: paramiko.Channel, command: str) -> None:
        """Ask for the command without waiting for the answer: a round trip less. A refusal closes the channel."""
        request = paramiko.Message()
        request.add_byte(cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)
        request.add_string(command)
        self._send_user_message(request)

    def exit_code(self, channel: paramiko.Channel) -> int | None:
        """The exit code, negative for a signal; None while it is not known."""
        number = self._exit_signals.get(channel.chanid)
        if number is not None:
            return -number
        return channel.exit_status if channel.exit_status >= 0 else None

    def _prefer(self, kinds: Sequence[str]) -> None:
        options = self.get_security_options()
        wanted = [
            name for kind in kinds for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))
        ]
        first = [name for name in wanted if name in options.key_types]
        options.key_types = [*first, *(name for name in options.key_types if name not in first)]
        # A third less work than paramiko's own first choice, which is encrypted and authenticated in two steps (5.1.0).
        options.ciphers = [_CIPHER] * (_CIPHER in options.ciphers) + [c for c in options.ciphers if c != _CIPHER]

    def _ping(self) -> None:
        """Runs in the session's thread. Every server answers a global request, if only with a refusal."""
        if self.in_kex:
            return
        request = paramiko.Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)
        self.packetizer.send_message(request)

    def _send_user_message(self, data: paramiko.Message) -> None:
        """Send it, or keep it while keys are negotiated: of each channel, at most its window."""
        with self.clear_to_send_lock:
            if not self.is_active() or not self._closed.admits(data.asbytes()):
                return
            if self.clear_to_send.is_set():
                self._send_message(data)  # type: ignore[attr-defined]
            else:
                self._held.append(data)

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        with self.clear_to_send_lock:
            super()._parse_newkeys(m)  # type: ignore[misc]
            held, self._held = self._held, []
            for message in held:
                self._send_message(message)  # type: ignore[attr-defined]

    def _parse_channel_open_success(self, m: paramiko.Message) -> None:
        m.get_int()
        self._closed.opened(m.get_int())
        m.rewind()
        super()._parse_channel_open_success(m)  # type: ignore[misc]

    def _on_channel_request(self, channel: paramiko.Channel, m: paramiko.Message) -> None:
        if m.get_text() == "exit-signal":
            m.get_boolean()
            self._exit_signals[channel.chanid] = _signal_number(m.get_text())
            channel.status_event.set()
            return
        m.rewind()
        m.get_int()
        channel._handle_request(m)  # type: ignore[attr-defined]


def _signal_number(name: str) -> int:
    """`KILL` -> 9. Names of other systems (RFC 4254, 6.10: with an @) count as SIGTERM."""
    return int(getattr(signal, f"SIG{name}", signal.SIGTERM))
