"""The library: what the command line calls, and what a notebook imports.

    from jobctl import api
    run = api.submit("configs/deeplabv3p_cityscapes_4npu.yaml", "inventories/lab.yaml", host="lab-a")
    for piece in api.logs(run.run_id, follow=True): ...
    api.pull(run.run_id, to="results")

Names are imported when they are first used: `jobctl ps` must not wait for what `submit` needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobctl.api.adopting import Adopted, adopt
    from jobctl.api.bundling import Bundled, bundle, check_bundle
    from jobctl.api.locking import lock
    from jobctl.api.logs import LogFollower, Piece, logs
    from jobctl.api.planning import plan, render
    from jobctl.api.results import pull
    from jobctl.api.resuming import resume
    from jobctl.api.runs import RunView, cancel, known_runs, runs, runs_as_they_come, status
    from jobctl.api.sending import Delivery, send, submit_each
    from jobctl.api.starting import init
    from jobctl.api.submit import Submitted, submit
    from jobctl.api.texts import job_text, schema
    from jobctl.api.tidying import Tidied, Tidying, gc

_HOMES = {
    "Bundled": "bundling",
    "Delivery": "sending",
    "LogFollower": "logs",
    "Piece": "logs",
    "RunView": "runs",
    "Submitted": "submit",
    "Tidied": "tidying",
    "Tidying": "tidying",
    "Adopted": "adopting",
    "adopt": "adopting",
    "bundle": "bundling",
    "cancel": "runs",
    "check_bundle": "bundling",
    "gc": "tidying",
    "init": "starting",
    "job_text": "texts",
    "known_runs": "runs",
    "lock": "locking",
    "logs": "logs",
    "plan": "planning",
    "pull": "results",
    "render": "planning",
    "resume": "resuming",
    "runs": "runs",
    "runs_as_they_come": "runs",
    "schema": "texts",
    "send": "sending",
    "status": "runs",
    "submit": "submit",
    "submit_each": "sending",
}

__all__ = [
    "Adopted",
    "Bundled",
    "Delivery",
    "LogFollower",
    "Piece",
    "RunView",
    "Submitted",
    "Tidied",
    "Tidying",
    "adopt",
    "bundle",
    "cancel",
    "check_bundle",
    "gc",
    "init",
    "job_text",
    "known_runs",
    "lock",
    "logs",
    "plan",
    "pull",
    "render",
    "resume",
    "runs",
    "runs_as_they_come",
    "schema",
    "send",
    "status",
    "submit",
    "submit_each",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
