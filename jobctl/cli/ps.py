from __future__ import annotations

import time
from typing import Any

import click

from jobctl.cli import show
from jobctl.cli.options import json_option
from jobctl.monitor.verdict_words import few_words


@click.command("ps")
@json_option
def main(as_json: bool) -> None:
    """List the runs of this machine, newest first.

    Hosts with unfinished runs are asked; one that does not answer delays nobody: its runs come last, as they were seen
    before.
    """
    from jobctl import api

    with show.Teller() as teller:
        if as_json:
            return show.as_json("ps", [as_data(view) for view in api.runs(listener=teller)])
        table = show.GrowingTable(("RUN", "HOST", "AGE", "STATE", "STAGE", "PROGRESS", "ETA", "MIOU", "WHY"))
        for views in api.runs_as_they_come(listener=teller):
            table.add([_row(view) for view in views])
    if not table.rows:
        show.text("no runs yet. Begin with: jobctl init, jobctl demo, or jobctl submit CONFIG -i INVENTORY")


def as_data(view: Any) -> dict[str, Any]:
    """One run as `--json` gives it."""
    return {
        "run_id": view.record.run_id,
        "host": view.record.host_name,
        "name": view.record.name,
        **view.status,
        "age_s": view.age_s,
        "error": view.error.as_dict() if view.error else None,
    }


def _why(status: dict[str, Any]) -> str:
    """Few words where the verdict has them; `status` shows it whole."""
    verdict = status.get("verdict") or {}
    if not verdict.get("stage") or not (status["state"] == "FAILED" or status.get("retry_at")):
        return status.get("reason") or ""
    return few_words(verdict) + (", is tried again" if status.get("retry_at") else "")


def _row(view: Any) -> tuple[str, ...]:
    status = view.status
    progress = status.get("progress") or {}
    state = status["state"]
    why = _why(status)
    if view.error:
        seen = f"{show.duration(view.age_s)} ago" if view.age_s is not None else "never seen"
        state, why = f"{state} ({seen})", f"cannot ask the host: {view.error.what}"
    done = f"{progress['iter']}/{progress['iters']}" if progress.get("iters") else ""
    best = f"{progress['best_miou']:.4f}" if progress.get("best_miou") is not None else ""
    eta = show.duration(progress.get("eta_s")) if state == "RUNNING" and status.get("stage") == "train" else ""
    age = show.duration(time.time() - view.record.submitted_at)
    return (view.record.run_id, view.record.host_name, age, state, status.get("stage") or "", done, eta, best, why)
