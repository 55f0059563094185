"""Ports of a run's own: a block of numbers on this host, held by a flock in the lease folder as cards are.

Two launchers that look for free ports at the same time may find the same one: Paddle's (3.3.1, launch/context/node.py)
binds a port, lets it go, and tells its ranks the number. In a block of its own each finds only its own.
"""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Tuple

from . import lease_dir
from .files import Json
from .locks import is_held

BLOCK = 64
LAUNCHER = 32  # the first of a block are for Paddle's launcher, the others for HCCL
_FIRST, _BEYOND = 20000, 32768  # below is what daemons listen on, above what Linux gives to outgoing connections
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Ports(NamedTuple):
    """`BLOCK` ports from `base` on, ours until `release`, or until this process ends."""

    base: int
    descriptor: int

    def release(self) -> None:
        lease_dir.let_go([self.descriptor])


def acquire(folder: Path, ranks: int, holder: Json) -> Optional[Ports]:
    """The first block that nobody holds or listens in; None where there is none, or `ranks` need more than it has."""
    if ranks + 2 > LAUNCHER:  # a port for each rank, the store, and what the launcher offers as its own
        return None
    for number, base in blocks(_ephemeral()):
        try:
            descriptor = lease_dir.take(folder / "ports{}.lock".format(number))
        except lease_dir.BadLeaseDir:  # one file that somebody has spoilt
            continue
        if descriptor is None:
            continue
        if all(_is_free(port) for port in range(base, base + BLOCK)):
            lease_dir.write_note(descriptor, dict(holder, pid=os.getpid(), since=round(time.time(), 3)))
            return Ports(base, descriptor)
        os.close(descriptor)
    return None


def survey(folder: Path) -> Json:
    """The first block that a run could have (None: there is none), how many are held, how many there are."""
    every = list(blocks(_ephemeral()))
    held = {base for number, base in every if is_held(folder / "ports{}.lock".format(number))}
    bases = (base for _, base in every if base not in held)
    free = (base for base in bases if all(_is_free(port) for port in range(base, base + BLOCK)))
    return {"first_free": next(free, None), "held_blocks": len(held), "blocks": len(every), "ports_each": BLOCK}


def blocks(ephemeral: Tuple[int, int]) -> Iterator[Tuple[int, int]]:
    """(number, first port) of each block; not those that a host gives to outgoing connections, unless that is all."""
    first, last = ephemeral
    every = list(enumerate(range(_FIRST, _BEYOND - BLOCK + 1, BLOCK)))
    apart = [(number, base) for number, base in every if base > last or base + BLOCK <= first]
    return iter(apart or every)


def _ephemeral() -> Tuple[int, int]:
    try:
        found = re.match(r"(\d+)\s+(\d+)", _EPHEMERAL.read_text())
    except OSError:
        found = None
    return (int(found.group(1)), int(found.group(2))) if found else (_BEYOND, 65535)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
