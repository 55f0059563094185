"""The states of a run and of a stage, which change is allowed, and the status that a run begins with.

    STAGING -> QUEUED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED

LOST is never written: it is what a reader concludes when a run is not final and nobody holds its supervisor lock.
"""

from __future__ import annotations

import time
from typing import Any, Optional

from .files import Json

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


def is_status(found: Optional[Json]) -> bool:
    """Whether this can be believed to be a status: a file on a host may be damaged, or edited by hand."""
    return (
        found is not None and isinstance(found.get("state"), str) and _are_objects(found.get("stages"), "name", "state")
    )


def is_job(found: Optional[Json]) -> bool:
    """The same for a job.json."""
    return (
        found is not None
        and isinstance(found.get("run_id"), str)
        and _are_objects(found.get("stages"), "name")
        and _are_objects(found.get("artifacts", []), "name", "path")
    )


def _are_objects(found: Any, *texts: str) -> bool:
    return isinstance(found, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(text), str) for text in texts) for one in found
    )


def first_status(job: Json, state: str) -> Json:
    """The status of a run that has not begun. `job` is job.json."""
    return {
        "version": 1,
        "run_id": job["run_id"],
        "name": job.get("name"),
        "state": state,
        "stage": None,
        "reason": None,
        "submitted_at": job.get("submitted_at"),
        "started_at": None,
        "ended_at": None,
        "updated_at": time.time(),
        "supervisor": None,
        "cards": [],
        "ports": None,
        "waiting": None,
        "resumes": 0,
        "retry_at": None,
        "verdict": None,
        "warnings": [],
        "stages": [_first_stage(stage["name"]) for stage in job["stages"]],
        "progress": {},
    }


def _first_stage(name: str) -> Json:
    return {
        "name": name,
        "state": WAITING,
        "started_at": None,
        "ended_at": None,
        "exit_code": None,
        "attempts": 0,
        "tries": 0,
        "resumed_from": None,
        "checkpoint_wanted": None,
        "reason": None,
    }
