"""A network between a laptop and a host that can swallow every packet: a network namespace behind a veth pair.

No end is told anything: the link stays up, and packets go to a MAC address that nobody has. Needs root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = "02:de:ad:00:00:01"


class Network:
    """`name`: the laptop's namespace. The host is the rest of this machine, under the address `host`."""

    def __init__(self) -> None:
        number = os.getpid() % 60000
        self.name = f"jobctl-{number}"
        self._ends = (f"jh{number}", f"jl{number}")
        net = f"10.{213 + number // 15000}.{number // 250 % 60}"  # so that tests at the same time have their own
        self.host, self.laptop = f"{net}.{number % 250}", f"{net}.{number % 250 + 1}"

    def open(self) -> None:
        """Raises CalledProcessError where this machine does not let its root do that."""
        ours, theirs = self._ends
        _ip("netns", "add", self.name)
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self.name)
        for words, address, peer, end in (
            ((), self.host, self.laptop, ours),
            (("-n", self.name), self.laptop, self.host, theirs),
        ):
            _ip(*words, "addr", "add", address, "peer", peer, "dev", end)
            _ip(*words, "link", "set", end, "up")
        self.heal()

    def swallow(self) -> None:
        """From now on no packet arrives, in either direction."""
        self._teach(NOBODY, NOBODY)

    def heal(self) -> None:
        ours, theirs = self._ends
        mac = Path(f"/sys/class/net/{ours}/address").read_text().strip()
        argv = ["ip", "netns", "exec", self.name, "cat", f"/sys/class/net/{theirs}/address"]
        self._teach(mac, subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())

    def _teach(self, host_mac: str, laptop_mac: str) -> None:
        ours, theirs = self._ends
        word = ("neigh", "replace")
        _ip(*word, self.laptop, "lladdr", laptop_mac, "dev", ours, "nud", "permanent")
        _ip("-n", self.name, *word, self.host, "lladdr", host_mac, "dev", theirs, "nud", "permanent")

    def close(self) -> None:
        subprocess.run(["ip", "link", "del", self._ends[0]], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """Skips the test where namespaces are not allowed."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    made = Network()
    try:
        made.open()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        made.close()
        pytest.skip(f"this machine does not let its root make network namespaces: {error}")
    try:
        yield made
    finally:
        made.close()
