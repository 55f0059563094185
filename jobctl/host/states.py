"""The states of a run and of a stage, and which change is allowed.

    STAGING -> QUEUED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED

LOST is never written: it is what a reader concludes when a run is not final and nobody holds its supervisor lock.
"""

from __future__ import annotations

from typing import Optional

STAGING, QUEUED, RUNNING = "STAGING", "QUEUED", "RUNNING"
SUCCEEDED, FAILED, CANCELLED, LOST = "SUCCEEDED", "FAILED", "CANCELLED", "LOST"
WAITING = "WAITING"

RUN_STATES = (STAGING, QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, LOST)
STAGE_STATES = (WAITING, RUNNING, SUCCEEDED, FAILED, CANCELLED)
FINAL = frozenset((SUCCEEDED, FAILED, CANCELLED))

_ORDER = {STAGING: 0, QUEUED: 1, RUNNING: 2, SUCCEEDED: 3, FAILED: 3, CANCELLED: 3}


def may_change(old: Optional[str], new: str) -> bool:
    """Whether a run may go from `old` to `new`: never back, never out of a final state. `old` None is a new run."""
    if new not in _ORDER:
        return False
    if old is None or old == new:
        return True
    return old not in FINAL and _ORDER.get(old, 0) < _ORDER[new]
