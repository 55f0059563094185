"""What went wrong on the way to a hop, in words that name the next step."""

from __future__ import annotations

import errno
import socket
from shlex import quote

from paramiko.ssh_exception import IncompatiblePeer

from jobctl.errors import ConnectError, ConnectionLost
from jobctl.remote.ssh.config import Hop

_NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN)


def make_ssh_command(hop: Hop, via: Hop | None = None) -> str:
    """The same connection by hand, talking about itself."""
    words = [
        "ssh",
        "-v",
        *([] if via is None else ["-J", _jump(via)]),
        "-p",
        str(hop.port),
        f"{hop.user}@{hop.host}",
        "true",
    ]
    return " ".join(map(quote, words))


def _jump(hop: Hop) -> str:
    host = f"[{hop.host}]" if ":" in hop.host else hop.host
    return f"{hop.user}@{host}:{hop.port}"


def explain_dial(error: OSError, hop: Hop) -> ConnectError:
    """No TCP connection."""
    hint = "is the host up, the port right, a VPN or a jump host (`proxy_jump`) needed?"
    command = make_ssh_command(hop)
    if isinstance(error, socket.gaierror | UnicodeError):
        what = f"the name {hop.host} is not known here"
        hint = "a typing error, or a name that only a VPN, ~/.ssh/config or a jump host (`proxy_jump`) knows"
        command = f"getent hosts {quote(hop.host)}"
    elif isinstance(error, ConnectionRefusedError):
        what = f"{hop.host} refuses connections on port {hop.port}"
        hint = "no SSH server listens there: the port may be another one, or the server is down"
    elif isinstance(error, TimeoutError):
        what = f"{hop.host} did not answer on port {hop.port} within {hop.connect_timeout_s:g} s"
    elif error.errno in _NO_ROUTE:
        what = f"there is no way to {hop.host} from here"
    else:
        what = f"no connection to {hop.host}, port {hop.port}"
    return ConnectError(what, where=hop.label, value=error.strerror or str(error), hint=hint, next_command=command)


def explain_jump(error: Exception, hop: Hop, via: Hop) -> ConnectError:
    """The jump host is there, but its way to the next hop is not."""
    code = getattr(error, "code", None)
    if code == 1:
        what, hint = f"{via.name} does not forward connections", "its sshd has `AllowTcpForwarding no` or `PermitOpen`"
    elif code == 2:
        what = f"{via.name} cannot reach {hop.host}, port {hop.port}"
        hint = f"seen from {via.name}: the name, the port, or the host is down"
    else:
        what, hint = f"{via.name} opened no way to {hop.host}, port {hop.port}", "the jump host did not answer in time"
    text = getattr(error, "text", "") or str(error) or type(error).__name__
    return ConnectError(what, where=hop.label, value=text, hint=hint, next_command=make_ssh_command(hop, via))


def is_drop(error: Exception, greeting: str) -> bool:
    """The server hung up before the login, as sshd does by chance when many come at once: worth another try."""
    return not isinstance(error, IncompatiblePeer) and (not greeting or "MaxStartups" in greeting)


def explain_handshake(error: Exception, hop: Hop, via: Hop | None, greeting: str, *, slow: bool) -> ConnectError:
    """There is a connection, but no SSH session came of it. `greeting` is what came in place of an SSH version."""
    value = greeting or str(error) or type(error).__name__
    if isinstance(error, IncompatiblePeer):
        what, hint = f"{hop.host} and this laptop have no algorithm in common", "the server is very old, or very strict"
    elif slow:
        what = f"{hop.host} took the connection and then said nothing for {hop.connect_timeout_s:g} s"
        hint = "the host may be overloaded, or a firewall swallows what comes after the first packets"
    elif greeting and not is_drop(error, greeting):
        what = f"what listens on {hop.host}, port {hop.port}, does not let us speak SSH"
        hint = (
            "the port may belong to another service, or the server has banned this address; it said what stands above"
        )
    else:
        what = f"{hop.host} closed the connection before the login"
        hint = "too many connections at once (MaxStartups), a ban (fail2ban), or a ProxyCommand that gave up"
    return ConnectError(what, where=hop.label, value=value, hint=hint, next_command=make_ssh_command(hop, via))


def make_connection_lost(name: str, cause: Exception | None) -> ConnectionLost:
    """The connection was there and is gone."""
    return ConnectionLost(
        f"the connection to {name} is lost",
        where=name,
        value=str(cause) if cause and str(cause) else "no more bytes come through",
        hint="what runs on the host goes on; run the same command again to look at it",
    )
