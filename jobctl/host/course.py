"""The course of a run under its supervisor: it waits for its cards, runs its stages, and leaves nothing behind."""

from __future__ import annotations

import time
import traceback
from typing import Optional, Tuple

from . import cards, lease_dir, ports, queueing, states, verdict
from .attempt import end_processes
from .names import CANCEL_FILE
from .signals import Stopped
from .stage import run_stage
from .step import Run

Ending = Tuple[str, Optional[str]]
"""A final state, and the reason in one line."""


def run_to_the_end(run: Run) -> Ending:
    """Hold the cards, run the stages. Nothing of the run lives when this returns, whatever happened."""
    held: Optional[cards.Lease] = None
    held_ports: Optional[ports.Ports] = None
    try:
        if (run.run_dir / CANCEL_FILE).exists():  # before there was anybody to signal
            return states.CANCELLED, "cancelled"
        held = queueing.hold_cards(run)
        run = run._replace(cards=held.cards, devices=held.devices) if held else run
        held_ports = queueing.hold_ports(run)
        _begin(run, held, held_ports)
        return _run_stages(run)
    except Stopped:
        run.journal.change(waiting=None)
        return states.CANCELLED, "cancelled"
    except (cards.NoCards, lease_dir.BadLeaseDir) as error:
        run.journal.change(waiting=None)
        _judge(run, "cards", str(error))
        return states.FAILED, str(error)
    except Exception as error:  # whatever it is, the run must have an end that somebody can read
        traceback.print_exc()
        reason = "the supervisor failed: {}: {}".format(type(error).__name__, error)
        _judge(run, "supervisor", reason)
        return states.FAILED, reason
    finally:
        end_processes(run)
        run.journal.kept_young = []
        for lease in (held, held_ports):
            if lease is not None:
                lease.release()


def _judge(run: Run, kind: str, reason: str) -> None:
    """The verdict on what failed outside of the stages."""
    found = verdict.short_verdict(kind, str(run.journal.hide(reason)), time.time())
    run.journal.change(verdict=found)
    run.journal.event("verdict", verdict=found)


def _begin(run: Run, held: Optional[cards.Lease], held_ports: Optional[ports.Ports]) -> None:
    """Tell that the run has what it needs."""
    run.journal.kept_young = (held.descriptors if held else []) + ([held_ports.descriptor] if held_ports else [])
    ours = {"base": held_ports.base, "count": ports.BLOCK} if held_ports else None
    run.journal.change(
        state=states.RUNNING,
        reason=None,
        waiting=None,
        cards=run.cards,
        ports=ours,
        started_at=round(time.time(), 3),
    )
    run.journal.event("run_started", cards=run.cards, ports=ours)


def _run_stages(run: Run) -> Ending:
    for index, stage in enumerate(run.job["stages"]):
        if run.journal.status["stages"][index]["state"] == states.SUCCEEDED:
            continue
        reason = run_stage(run, index)
        if reason is not None:
            return states.FAILED, "{}: {}".format(stage["name"], reason)
    return states.SUCCEEDED, None
