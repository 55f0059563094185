"""A run's wait for its cards, as its status tells it; and the ports that it gets beside them."""

from __future__ import annotations

import time
from typing import Callable, List, Optional

from . import cards, lease_dir, ports, states
from .files import Json
from .step import Run
from .tickets import Wants

_POLL_S = 0.1  # between a release and the next start; a poll is a few flocks
_TELL_EVERY_S = 1.0
_LEAST_WAIT_S = 0.6  # of `--no-wait`: who asks whether a lease is free holds it for a moment, so one look is not enough


def hold_cards(run: Run) -> Optional[cards.Lease]:
    """The cards of the run, waited for in state QUEUED; None: it needs none. Raises NoCards, BadLeaseDir, Stopped."""
    if run.job.get("device") != "npu":
        return None
    run.journal.change(state=states.QUEUED)
    wants = Wants(run.job["run_id"], int(run.job["cards"]), run.job.get("cards_wanted"), bool(run.job.get("exclusive")))
    folder = lease_dir.prepare(run.job.get("lease_dir"))
    lease = cards.acquire(folder, wants, holder_of(run), _Waiter(run, run.job.get("wait_s")).wait)
    # Not `at`: the next in the queue may already be at its own line.
    run.journal.event("cards_held", cards=lease.cards, since=lease.since)
    return lease


def hold_ports(run: Run) -> Optional[ports.Ports]:
    """Ports of the run's own, where it starts ranks; None: it runs without, and the launcher looks for some itself."""
    if not any(step.get("distributed") for stage in run.job["stages"] for step in stage["steps"]):
        return None
    try:
        folder = lease_dir.prepare(run.job.get("lease_dir"))
        held = ports.acquire(folder, int(run.job.get("cards") or 1), holder_of(run))
    except (lease_dir.BadLeaseDir, OSError) as error:
        run.journal.event("no_ports", reason=str(error))
        return None
    if held is None:
        run.journal.event("no_ports", reason="no block of ports is free, or the run has more ranks than one is for")
    return held


def holder_of(run: Run) -> Json:
    """What others are told of the run."""
    return {"run_id": run.job["run_id"], "by": run.job.get("submitted_by"), "run_dir": str(run.run_dir)}


class _Waiter:
    """Sleeps between two looks, tells the status, and gives up when the wait is over."""

    def __init__(self, run: Run, wait_s: Optional[float]) -> None:
        self._run = run
        self._wait_s = wait_s
        self._since = round(time.time(), 3)
        self._begun = self._touched_at = time.monotonic()
        self._told_at: Optional[float] = None

    def wait(self, describe: Callable[[], cards.Waiting], held: List[int]) -> None:
        now = time.monotonic()
        if self._wait_s is not None and now - self._begun > max(self._wait_s, _LEAST_WAIT_S):
            limit = "not to be waited for" if self._wait_s == 0 else "waited {:g} s".format(self._wait_s)
            raise cards.NoCards("no cards, {}: {}".format(limit, describe().reason))
        if self._told_at is None or now - self._told_at > _TELL_EVERY_S:
            self._told_at = now
            self._tell(describe())
        if now - self._touched_at > lease_dir.TOUCH_EVERY_S:
            self._touched_at = now
            lease_dir.touch(held)
        self._run.journal.beat()
        self._run.signals.pause(_POLL_S)

    def _tell(self, waiting: cards.Waiting) -> None:
        journal = self._run.journal
        facts = dict(waiting.facts, since=self._since)
        if journal.status["reason"] != waiting.reason or journal.status.get("waiting") != facts:
            journal.change(reason=waiting.reason, waiting=facts)
            journal.event("waiting_for_cards", reason=waiting.reason)
