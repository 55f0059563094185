"""Runs and their metrics as data for the page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobctl.monitor import charts, facts, judge
from jobctl.monitor.columns import Metrics
from jobctl.monitor.evidence import Evidence
from jobctl.monitor.verdict_words import few_words, sentence

if TYPE_CHECKING:
    from jobctl.api import RunView

Row = dict[str, Any]
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


def run_row(view: RunView) -> Row:
    """One line of the table, and what stands above the curves. `seen_at`: only where the host cannot be asked now."""
    status = view.status
    progress = status.get("progress") or {}
    running = status["state"] == "RUNNING"
    verdict = status.get("verdict") or {}
    return {
        "run_id": view.record.run_id,
        "host": view.record.host_name,
        "config": view.record.config,
        "submitted_at": view.record.submitted_at,
        "state": status["state"],
        "stage": status.get("stage"),
        "started_at": status.get("started_at"),
        "ended_at": status.get("ended_at"),
        "iter": progress.get("iter"),
        "iters": progress.get("iters"),
        "best_miou": progress.get("best_miou"),
        "eta_s": progress.get("eta_s") if running and status.get("stage") == "train" else None,
        "cards": status.get("cards") or [],
        "why": few_words(verdict) if verdict.get("stage") else status.get("reason") or "",
        "verdict": sentence(verdict) if verdict.get("stage") else None,
        "stages": [_stage(stage) for stage in status.get("stages") or []],
        "away": view.error is not None,
        "error": view.error.what if view.error else None,
        "seen_at": view.record.seen_at if view.error else None,
    }


def _stage(stage: Row) -> Row:
    return {key: stage.get(key) for key in ("name", "state", "started_at", "ended_at", "attempts", "reason")}


def run_curves(view: RunView, metrics: Metrics) -> Row:
    """Figures, what stands out, charts and the IoU of each class, as in a report."""
    evidence = Evidence(view.record.run_id, view.record.host_name, view.status, metrics)
    return {
        "figures": facts.figures(evidence),
        "findings": [{"level": found.level, "text": found.text} for found in judge.findings(metrics)],
        "charts": charts.make_charts(metrics),
        "host_charts": charts.make_host_charts(metrics),
        "classes": facts.class_table(evidence),
    }
