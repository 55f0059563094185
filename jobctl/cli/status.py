from __future__ import annotations

import time
from typing import Any

import click

from jobctl.cli import show
from jobctl.cli.options import json_option, run_argument
from jobctl.cli.ps import as_data
from jobctl.monitor.verdict_words import sentence

_FIGURES = {
    "loss": "loss {:.4f}",
    "lr": "lr {:.6f}",
    "ips": "{:.2f} samples/s per rank",
    "miou": "mIoU {:.4f}",
    "best_miou": "best mIoU {:.4f}",
    "best_iter": "at iter {}",
}


@click.command("status")
@run_argument
@json_option
def main(run: str | None, as_json: bool) -> None:
    """Show RUN whole: its stages, where it is, what it measured, and why it failed if it did."""
    from jobctl import api

    with show.Teller() as teller:
        view = api.status(run, listener=teller)
    if as_json:
        return show.as_json("status", as_data(view))
    status = view.status
    show.text(f"{view.record.run_id} on {view.record.host_name}: {status['state']}")
    ago = show.duration(time.time() - view.record.submitted_at)
    source = f" from {view.record.config}" if view.record.config else ""
    show.text(f"  submitted {ago} ago{source}")
    show.text(f"  on the host: {view.record.host['work_dir']}/runs/{view.record.run_id}")
    if view.error:
        age = f"{show.duration(view.age_s)} old" if view.age_s is not None else "nothing is known"
        show.text(f"  the host could not be asked ({age}): {view.error.what}")
    stages = status.get("stages") or []
    told_by_a_stage = any(stage.get("reason") and stage["reason"] in (status.get("reason") or "") for stage in stages)
    if status.get("reason") and not told_by_a_stage:
        show.text(f"  why: {status['reason']}")
    if status.get("cards"):
        show.text(f"  cards: {', '.join(map(str, status['cards']))}")
    _print_stages(stages)
    _print_verdict(status)
    _print_progress(status.get("progress") or {})
    if status.get("verdict") and status["state"] in ("FAILED", "LOST"):
        teller.note(f"next: jobctl diagnose {view.record.run_id}")


def _print_stages(stages: list[dict[str, Any]]) -> None:
    rows = []
    for stage in stages:
        started, ended = stage.get("started_at"), stage.get("ended_at")
        took = show.duration((ended or time.time()) - started) if started else ""
        attempts = str(stage["attempts"]) if (stage.get("attempts") or 0) > 1 else ""
        rows.append((stage["name"], stage["state"], took, attempts, stage.get("reason") or ""))
    if rows:
        show.table(("STAGE", "STATE", "TOOK", "ATTEMPTS", "WHY"), rows)


def _print_verdict(status: dict[str, Any]) -> None:
    verdict = status.get("verdict")
    if verdict:
        head = "last failure" if status["state"] in ("QUEUED", "RUNNING") else "verdict"
        show.text(f"{head}: {sentence(verdict)}")
        for line in verdict.get("evidence") or []:
            show.text(f"    {line}")
    for warning in status.get("warnings") or []:
        show.text(f"warning: {warning['text']}")


def _print_progress(progress: dict[str, Any]) -> None:
    if progress.get("iters"):
        eta = f", {show.duration(progress['eta_s'])} left" if progress.get("eta_s") else ""
        show.text(f"iteration {progress['iter']} of {progress['iters']}{eta}")
    figures = [form.format(progress[key]) for key, form in _FIGURES.items() if progress.get(key) is not None]
    if figures:
        show.text(", ".join(figures))
