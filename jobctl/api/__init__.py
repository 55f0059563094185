"""The library: what the command line calls, and what a notebook imports.

    from jobctl import api
    run = api.submit("configs/deeplabv3p_cityscapes_4npu.yaml", "inventories/lab.yaml", host="lab-a")
    for piece in api.logs(run.run_id, follow=True): ...
    api.pull(run.run_id, to="results")

Names are imported when they are first used: `jobctl ps` must not wait for what `submit` needs.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobctl.api.adopting import Adopted, adopt
    from jobctl.api.bundling import Bundled, bundle, check_bundle
    from jobctl.api.card_table import CardRow, CardTable, HostCards, cards, read_smi, used_memory
    from jobctl.api.diagnosing import Cause, Diagnosis, RunDiagnosis, diagnose, diagnose_files
    from jobctl.api.examining import Check, Examined, doctor
    from jobctl.api.keeping import keep_open
    from jobctl.api.listener import Listener
    from jobctl.api.locking import lock
    from jobctl.api.logs import LogFollower, Piece, logs
    from jobctl.api.metrics import MetricsReader, MetricsView, series
    from jobctl.api.planning import Item, plan, render
    from jobctl.api.reporting import Reported, report
    from jobctl.api.results import follow, pull
    from jobctl.api.resuming import resume
    from jobctl.api.runs import RunView, cancel, known_run, known_runs, runs, runs_as_they_come, status
    from jobctl.api.sending import Delivery, send, submit_each
    from jobctl.api.starting import init
    from jobctl.api.submit import Submitted, submit
    from jobctl.api.texts import job_text, schema
    from jobctl.api.tidying import Tidied, Tidying, gc
    from jobctl.api.watching import RunWatch, Sink

_HOMES = {
    "Adopted": "adopting",
    "Bundled": "bundling",
    "CardRow": "card_table",
    "CardTable": "card_table",
    "Cause": "diagnosing",
    "Check": "examining",
    "Delivery": "sending",
    "Diagnosis": "diagnosing",
    "Examined": "examining",
    "HostCards": "card_table",
    "Item": "planning",
    "Listener": "listener",
    "LogFollower": "logs",
    "MetricsReader": "metrics",
    "MetricsView": "metrics",
    "Piece": "logs",
    "RunDiagnosis": "diagnosing",
    "RunWatch": "watching",
    "Reported": "reporting",
    "RunView": "runs",
    "Sink": "watching",
    "Submitted": "submit",
    "Tidied": "tidying",
    "Tidying": "tidying",
    "adopt": "adopting",
    "bundle": "bundling",
    "cancel": "runs",
    "check_bundle": "bundling",
    "cards": "card_table",
    "diagnose": "diagnosing",
    "diagnose_files": "diagnosing",
    "doctor": "examining",
    "follow": "results",
    "gc": "tidying",
    "init": "starting",
    "job_text": "texts",
    "keep_open": "keeping",
    "known_run": "runs",
    "known_runs": "runs",
    "lock": "locking",
    "logs": "logs",
    "plan": "planning",
    "pull": "results",
    "read_smi": "card_table",
    "render": "planning",
    "report": "reporting",
    "resume": "resuming",
    "runs": "runs",
    "runs_as_they_come": "runs",
    "schema": "texts",
    "series": "metrics",
    "send": "sending",
    "status": "runs",
    "submit": "submit",
    "submit_each": "sending",
    "used_memory": "card_table",
}

__all__ = [
    "Adopted",
    "Bundled",
    "CardRow",
    "CardTable",
    "Cause",
    "Check",
    "Delivery",
    "Diagnosis",
    "Examined",
    "HostCards",
    "Item",
    "Listener",
    "LogFollower",
    "MetricsReader",
    "MetricsView",
    "Piece",
    "Reported",
    "RunDiagnosis",
    "RunView",
    "RunWatch",
    "Sink",
    "Submitted",
    "Tidied",
    "Tidying",
    "adopt",
    "bundle",
    "cancel",
    "cards",
    "check_bundle",
    "diagnose",
    "diagnose_files",
    "doctor",
    "follow",
    "gc",
    "init",
    "job_text",
    "keep_open",
    "known_run",
    "known_runs",
    "lock",
    "logs",
    "plan",
    "pull",
    "read_smi",
    "render",
    "report",
    "resume",
    "runs",
    "runs_as_they_come",
    "schema",
    "send",
    "series",
    "status",
    "submit",
    "submit_each",
    "used_memory",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    _unhide()
    return found


def _unhide() -> None:
    """Importing the module `submit` makes it the package's attribute of that name, in place of the function."""
    for name, home in _HOMES.items():
        module = sys.modules.get(f"{__name__}.{home}")
        if name == home and module is not None:
            globals()[name] = getattr(module, name)
