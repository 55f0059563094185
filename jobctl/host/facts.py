"""What `jobctl doctor` asks of this host, in one answer: independent probes, each of which may fail or hang alone.

A probe returns what it found as JSON. One that raises, or is not back in time (a dead NFS mount, a driver that hangs),
leaves its reason in place of a value, and no other probe waits for it.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, NamedTuple

from . import facts_ascend, facts_container, facts_host, facts_network
from .files import Json

LIMIT_S = 30.0
"""Longer than any tool that a probe starts is given, npu-smi that is slow twice apart."""

Probe = Callable[["Asked"], Any]


class Asked(NamedTuple):
    """What the laptop wants to know: `root` is the work_dir, `wanted` what it says of the job."""

    root: str
    wanted: Json


PROBES: Dict[str, Probe] = {}
for _module in (facts_host, facts_ascend, facts_container, facts_network):
    PROBES.update(_module.PROBES)


def answer(received_at: float, root: str, wanted: Json) -> Json:
    """The reply to `facts`. Its two times, by this host's clock, tell how far that is off."""
    found = gather(PROBES, Asked(root, wanted), LIMIT_S)
    return {"received_at": received_at, "facts": found, "answered_at": time.time()}


def gather(probes: Dict[str, Probe], asked: Asked, limit_s: float) -> Dict[str, Json]:
    """Name to {"value": ...} or {"unknown": why}. All run at the same time, for `limit_s` at most."""
    found: Dict[str, Json] = {}

    def run(name: str, probe: Probe) -> None:
        try:
            value = {"value": probe(asked)}
        except Exception as error:
            value = {"unknown": "{}: {}".format(type(error).__name__, error)[:300]}
        found[name] = value

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in probes.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = {"unknown": "no answer within {:.0f} s".format(limit_s)}
    return {name: dict(found.get(name, late)) for name in probes}
