"""The course of a run under its supervisor: it waits for its cards, runs its stages, and leaves nothing behind."""

from __future__ import annotations

import time
import traceback
from typing import Optional, Tuple

from . import cards, states
from .attempt import end_processes
from .files import Json
from .names import CANCEL_FILE
from .signals import Stopped
from .stage import run_stage
from .step import Run

Ending = Tuple[str, Optional[str]]
"""A final state, and the reason in one line."""


def run_to_the_end(run: Run) -> Ending:
    """Hold the cards, run the stages. Nothing of the run lives when this returns, whatever happened."""
    held: Optional[cards.Lease] = None
    try:
        if (run.run_dir / CANCEL_FILE).exists():  # before there was anybody to signal
            return states.CANCELLED, "cancelled"
        held = _lease(run)
        run = run._replace(cards=held.cards, devices=held.devices) if held else run
        run.journal.change(state=states.RUNNING, reason=None, cards=run.cards, started_at=round(time.time(), 3))
        run.journal.event("run_started", cards=run.cards)
        return _run_stages(run)
    except Stopped:
        return states.CANCELLED, "cancelled"
    except cards.NoCards as error:
        return states.FAILED, str(error)
    except Exception as error:  # whatever it is, the run must have an end that somebody can read
        traceback.print_exc()
        return states.FAILED, "the supervisor failed: {}: {}".format(type(error).__name__, error)
    finally:
        end_processes(run)
        if held is not None:
            held.release()


def _run_stages(run: Run) -> Ending:
    for index, stage in enumerate(run.job["stages"]):
        if run.journal.status["stages"][index]["state"] == states.SUCCEEDED:
            continue
        reason = run_stage(run, index)
        if reason is not None:
            return states.FAILED, "{}: {}".format(stage["name"], reason)
    return states.SUCCEEDED, None


def _lease(run: Run) -> Optional[cards.Lease]:
    if run.job.get("device") != "npu":
        return None

    def wait(reason: str) -> None:
        if run.journal.status["reason"] != reason:
            run.journal.change(reason=reason)
            run.journal.event("waiting_for_cards", reason=reason)
        run.journal.beat()
        run.signals.pause(0.5)

    run.journal.change(state=states.QUEUED)
    holder: Json = {"run_id": run.job["run_id"], "by": run.job.get("submitted_by"), "run_dir": str(run.run_dir)}
    return cards.acquire(run.root, int(run.job["cards"]), run.job.get("cards_wanted"), holder, wait)
