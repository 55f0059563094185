"""A host without a route: a network namespace whose only link leads to this machine, with a real sshd in it.

Needs root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sshd import Sshd


@dataclass(frozen=True)
class OfflineHost:
    """`sshd` in the namespace `name`."""

    sshd: Sshd
    name: str

    def sent_nowhere(self) -> int:
        """Packets and connections that processes there wanted to send to where no route leads (RFC 4293)."""
        return sum(_counter(self.inside("cat", f"/proc/net/{file}")) for file in ("snmp", "snmp6"))

    def inside(self, *argv: str) -> str:
        done = subprocess.run(["ip", "netns", "exec", self.name, *argv], capture_output=True, text=True, check=True)
        return done.stdout


def _counter(text: str) -> int:
    lines = [line.split() for line in text.splitlines()]
    if lines[0][0] == "Ip:":
        return int(lines[1][lines[0].index("OutNoRoutes")])
    return next(int(line[1]) for line in lines if line[0] == "Ip6OutNoRoutes")


@contextmanager
def offline_host(folder: Path) -> Iterator[OfflineHost]:
    """Skips the test where namespaces are not allowed."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    number = os.getpid() % 60000
    name, ours, theirs = f"jobctl-off-{number}", f"jo{number}", f"jp{number}"
    net = f"10.{217 + number // 15000}.{number // 250 % 60}"  # so that tests at the same time have their own
    laptop, host = f"{net}.{number % 250}", f"{net}.{number % 250 + 1}"
    try:
        try:
            _ip("netns", "add", name)
            _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
            _ip("addr", "add", laptop, "peer", host, "dev", ours)
            _ip("link", "set", ours, "up")
            for words in (("addr", "add", host, "peer", laptop, "dev", theirs), ("link", "set", theirs, "up")):
                _ip("-n", name, *words)
            _ip("-n", name, "link", "set", "lo", "up")
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            pytest.skip(f"this machine does not let its root make network namespaces: {error}")
        sshd = Sshd(folder, prefix=["ip", "netns", "exec", name], address=host)
        sshd.start()
        try:
            yield OfflineHost(sshd, name)
        finally:
            sshd.stop()
    finally:
        subprocess.run(["ip", "link", "del", ours], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
