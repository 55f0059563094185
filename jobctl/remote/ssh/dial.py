"""The socket below the first hop: to a port, or to the command of ProxyCommand. Made to notice a peer that is gone."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}

_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPALIVE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2))
"""Seconds of silence before the first probe (second name: macOS), between probes, and how many of them."""


def dial(host: str, port: int, timeout_s: float, dead_after_s: float, address_family: str = "any") -> socket.socket:
    """A TCP connection to the first of the host's addresses that answers, IPv6 and IPv4 as the resolver orders them.

    Raises socket.gaierror, or the last address's OSError (TimeoutError when the time is over).
    """
    family = _FAMILIES.get(address_family, socket.AF_UNSPEC)
    addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    end = time.monotonic() + timeout_s
    failure: OSError = TimeoutError(f"no answer within {timeout_s:g} s")
    for tried, (found_family, kind, protocol, _, address) in enumerate(addresses):
        left = end - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(found_family, kind, protocol)
        try:
            _prepare(sock, dead_after_s)
            sock.settimeout(left / (len(addresses) - tried))
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _prepare(sock: socket.socket, dead_after_s: float) -> None:
    """No Nagle (paramiko sets none: connecting took several times longer), and the kernel's own death watch."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_KEEPALIVE, ("TCP_USER_TIMEOUT", int(dead_after_s * 1000))):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def dial_command(command: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A socket whose other end is the standard input and output of a ProxyCommand, run by the user's shell as ssh does.

    paramiko's own ProxyCommand (5.1) spins at the command's end of file and never reports it.
    """
    ours, theirs = socket.socketpair()
    shell = os.environ.get("SHELL") or "/bin/sh"
    with theirs:
        # The line is the user's own, from the user's own ssh_config.
        process = subprocess.Popen(
            [shell, "-c", f"exec {command}"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL
        )
    threading.Thread(target=process.wait, name="jobctl-proxy-command", daemon=True).start()
    return ours, process
