"""The status of a run, as a host or a record gives it, checked before anybody believes it. Pure.

ARCHITECTURE.md shows its shape. Fields that are not known here come from a newer host program and are passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 1e15  # beyond it are no seconds, iterations or losses; also what is not finite

_RUN = {
    "state": "text",
    "name": "text?",
    "stage": "text?",
    "reason": "text?",
    "submitted_at": "number?",
    "started_at": "number?",
    "ended_at": "number?",
    "updated_at": "number?",
    "cards": "list?",
    "ports": "object?",
    "waiting": "object?",
    "resumes": "number?",
    "retry_at": "number?",
    "verdict": "object?",
    "warnings": "list?",
    "stages": "list?",
    "progress": "object?",
}
_STAGE = {
    "name": "text",
    "state": "text",
    "reason": "text?",
    "started_at": "number?",
    "ended_at": "number?",
    "exit_code": "number?",
    "attempts": "number?",
    "resumed_from": "text?",
}
_VERDICT = {
    "kind": "text",
    "stage": "text?",
    "attempt": "number?",
    "rank": "number?",
    "line": "text?",
    "ended": "text?",
    "evidence": "list?",
    "at": "number?",
}
_WARNING = {"at": "number?", "kind": "text", "text": "text"}
_WAITING = {"since": "number?", "wants": "text?", "ahead": "list?", "holders": "list?"}
_PORTS = {"base": "number", "count": "number"}
_PROGRESS = ("iter", "iters", "epoch", "loss", "lr", "ips", "eta_s", "miou", "acc", "best_miou", "best_iter")


def parse_status(value: object) -> dict[str, Any]:
    """`value` itself, when it can be a status. Raises ValueError that names the field which is wrong."""
    status = _checked(value, _RUN, "status")
    for at, stage in enumerate(status.get("stages") or []):
        _checked(stage, _STAGE, f"status.stages[{at}]")
    for at, card in enumerate(status.get("cards") or []):
        _check(card, "number", f"status.cards[{at}]")
    for name, kinds in (("verdict", _VERDICT), ("waiting", _WAITING), ("ports", _PORTS)):
        if status.get(name) is not None:
            _checked(status[name], kinds, f"status.{name}")
    for at, warning in enumerate(status.get("warnings") or []):
        _checked(warning, _WARNING, f"status.warnings[{at}]")
    _checked(status.get("progress") or {}, dict.fromkeys(_PROGRESS, "number?"), "status.progress")
    return status


def _checked(value: object, kinds: Mapping[str, str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: an object is wanted, not {_shown(value)}")
    for name, kind in kinds.items():
        _check(value.get(name), kind, f"{where}.{name}")
    return value


def _check(value: object, kind: str, where: str) -> None:
    if value is None and kind.endswith("?"):
        return
    wanted = kind.rstrip("?")
    if not _is(value, wanted):
        raise ValueError(f"{where}: a {wanted} is wanted, not {_shown(value)}")


def _is(value: object, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST
    return isinstance(value, {"text": str, "list": list, "object": dict}[kind])


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
