"""A laptop and hosts, each in a network namespace of its own, joined by a switch; what leaves them is shaped by `tc`.

    with cluster(folder, 8, uplink_mbit=200, between_mbit=1000) as lab:
        run([*lab.laptop, JOBCTL, "send", ...])          as on the laptop
        lab.hosts[0].sshd                                its OpenSSH server

The kernel does the shaping: `tbf` for the rate, `netem` for the delay. Where it has no `netem` a delay can be had from
`proxy.CountingProxy` only, between one laptop and one host; `far_host` takes what there is, and says which.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.proxy import CountingProxy
from tests.sshd import Sshd

SFTP = ("Subsystem sftp internal-sftp", "MaxStartups 100:30:200")
BURST = "256kb"  # more than one packet of 64 kB, which is what a veth pair carries


class Unavailable(RuntimeError):
    """This machine cannot do that; why."""


@dataclass(frozen=True)
class Node:
    """A host: its name and that of its namespace, its address, its server."""

    name: str
    space: str
    address: str
    sshd: Sshd


@dataclass(frozen=True)
class Cluster:
    """`laptop`: what a command line begins with that is to run on the laptop."""

    laptop: tuple[str, ...]
    hosts: tuple[Node, ...]


@contextmanager
def cluster(
    folder: Path,
    count: int,
    *,
    uplink_mbit: float | None = None,
    between_mbit: float | None = None,
    one_way_s: float = 0.0,
) -> Iterator[Cluster]:
    """`uplink_mbit`: what the laptop can send; `between_mbit`: what each host can. `one_way_s`: to and from the laptop.

    Raises Unavailable.
    """
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"):
        raise Unavailable("network namespaces need root, and `ip` and `tc` (iproute2)")
    if one_way_s and not has_netem():
        raise Unavailable("the kernel has no netem")
    names = Names(f"jb{os.getpid() % 100000}")
    with ExitStack() as stack:
        try:
            _namespace(stack, names.switch)
            _ip("-n", names.switch, "link", "add", "br0", "type", "bridge")
            _ip("-n", names.switch, "link", "set", "br0", "up")
            laptop = _join(stack, names, "laptop", 1)
            _shape(laptop, uplink_mbit, one_way_s)
            hosts = []
            for number in range(count):
                space = _join(stack, names, f"host{number}", 2 + number)
                _shape(space, between_mbit, 0.0)
                hosts.append(_start(stack, folder, space, f"host{number}", names.address(2 + number)))
            if one_way_s:  # the way back, at the switch's end of the laptop's cable
                _tc("-n", names.switch, "qdisc", "add", "dev", "p1", "root", *_netem(one_way_s))
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"{' '.join(error.cmd)}: {error.stderr}") from None
        yield Cluster(("ip", "netns", "exec", laptop), tuple(hosts))


@dataclass(frozen=True)
class Names:
    """Of namespaces, and addresses in them, which nobody outside sees."""

    prefix: str

    @property
    def switch(self) -> str:
        return f"{self.prefix}-switch"

    def space(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def address(self, number: int) -> str:
        return f"10.99.0.{number}"


def has_netem() -> bool:
    """Whether the kernel can delay packets."""
    probe = f"jbprobe{os.getpid() % 100000}"
    with ExitStack() as stack:
        try:
            _namespace(stack, probe)
            _tc("-n", probe, "qdisc", "add", "dev", "lo", "root", *_netem(0.001))
        except (subprocess.CalledProcessError, FileNotFoundError):
            return False
    return True


@dataclass(frozen=True)
class FarHost:
    """A host at the end of a long line. `way`: what makes it so long, for the table."""

    laptop: tuple[str, ...]
    sshd: Sshd
    address: str
    port: int
    way: str


@contextmanager
def far_host(folder: Path, round_trip_s: float, mbit: float | None) -> Iterator[FarHost]:
    """By the kernel where it can, else by the proxy."""
    try:
        with cluster(folder, 1, uplink_mbit=mbit, between_mbit=mbit, one_way_s=round_trip_s / 2) as lab:
            node = lab.hosts[0]
            yield FarHost(lab.laptop, node.sshd, node.address, node.sshd.port, "tc netem and tbf")
            return
    except Unavailable as why:
        print(f"a user-space shaper, benchmarks/proxy.py, stands in for tc: {why}", file=sys.stderr)
    rate = None if mbit is None else mbit * 1e6 / 8
    sshd = Sshd(folder / "far", SFTP)
    sshd.start()
    try:
        with CountingProxy(sshd.port, round_trip_s / 2, rate) as proxy:
            yield FarHost((), sshd, "127.0.0.1", proxy.port, "user-space shaper")
    finally:
        sshd.stop()


def _namespace(stack: ExitStack, name: str) -> None:
    _ip("netns", "add", name)
    stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True, check=False)
    _ip("-n", name, "link", "set", "lo", "up")


def _join(stack: ExitStack, names: Names, name: str, number: int) -> str:
    """A namespace with one cable to the switch; its name."""
    space, port = names.space(name), f"p{number}"
    _namespace(stack, space)
    _ip("-n", names.switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
    _ip("-n", names.switch, "link", "set", port, "master", "br0", "up")
    _ip("-n", space, "addr", "add", f"{names.address(number)}/24", "dev", "eth0")
    _ip("-n", space, "link", "set", "eth0", "up")
    return space


def _shape(space: str, mbit: float | None, one_way_s: float) -> None:
    if mbit is not None:
        tbf = ("tbf", "rate", f"{mbit}mbit", "burst", BURST, "latency", "100ms")
        _tc("-n", space, "qdisc", "add", "dev", "eth0", "root", "handle", "1:", *tbf)
    if one_way_s:
        parent = ("root",) if mbit is None else ("parent", "1:1")
        _tc("-n", space, "qdisc", "add", "dev", "eth0", *parent, *_netem(one_way_s))


def _netem(one_way_s: float) -> tuple[str, ...]:
    return ("netem", "delay", f"{one_way_s * 1000:g}ms", "limit", "100000")


def _start(stack: ExitStack, folder: Path, space: str, name: str, address: str) -> Node:
    sshd = Sshd(folder / name, SFTP, address=address, prefix=("ip", "netns", "exec", space))
    sshd.start()
    stack.callback(sshd.stop)
    return Node(name, space, address, sshd)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _tc(*words: str) -> None:
    subprocess.run(["tc", *words], check=True, capture_output=True, text=True)
