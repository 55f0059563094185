"""What is told of a run that is over. Pure: status and job in, the message out; nothing in it is a secret."""

from __future__ import annotations

from typing import Any, Optional

from .files import Json

_VERDICT = ("kind", "stage", "rank", "line")
_PROGRESS = ("iter", "iters", "miou", "best_miou", "best_iter")
_LONGEST = 1000


def make_message(status: Json, job: Json, host: str) -> Json:
    """The JSON that is sent. `text` is for people: chats such as Slack and Mattermost show it.

    `host`: what the inventory calls this host. Texts of the status are without secrets already (journal.py).
    """
    verdict = status.get("verdict")
    progress = status.get("progress") or {}
    return {
        "version": 1,
        "event": "run_ended",
        "text": _short(_text(status, host)),
        "run_id": status["run_id"],
        "name": job.get("name"),
        "host": host,
        "state": status["state"],
        "reason": _short(status.get("reason")),
        "verdict": {name: _short(verdict.get(name)) for name in _VERDICT} if isinstance(verdict, dict) else None,
        "submitted_by": job.get("submitted_by"),
        "submitted_at": job.get("submitted_at"),
        "started_at": status.get("started_at"),
        "ended_at": status.get("ended_at"),
        **{name: progress.get(name) for name in _PROGRESS},
    }


def _text(status: Json, host: str) -> str:
    words = "{} on {}: {}".format(status["run_id"], host, status["state"])
    took = _seconds(status)
    if took is not None:
        words += " after {}h{:02}m{:02}s".format(took // 3600, took // 60 % 60, took % 60)
    best = (status.get("progress") or {}).get("best_miou")
    if isinstance(best, (int, float)):
        words += ", best mIoU {:.4f}".format(best)
    return words + (": {}".format(status["reason"]) if status.get("reason") else "")


def _seconds(status: Json) -> Optional[int]:
    began, ended = status.get("started_at"), status.get("ended_at")
    if isinstance(began, (int, float)) and isinstance(ended, (int, float)):
        return max(0, int(ended - began))
    return None


def _short(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value
