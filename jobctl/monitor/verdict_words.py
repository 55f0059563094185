"""A run's verdict for people: a few words for a table, one sentence for the run alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 60

_WORDS = {
    "killed": "killed",
    "start": "did not start",
    "hang": "hung",
    "nan": "loss not finite",
    "cpu": "trained on the CPU",
    "disk": "disk full",
    "walltime": "walltime over",
    "not_left": "left too little",
    "preempted": "ended from outside",
}
_NAMED = {
    "config": "config",
    "data": "data",
    "environment": "environment",
    "cards": "cards",
    "supervisor": "supervisor",
}


def few_words(verdict: Mapping[str, Any]) -> str:
    """`rank 1 killed (out of memory)`; what was said follows only where the kind says little."""
    kind = verdict.get("kind") or "unknown"
    rank = f"rank {verdict['rank']}" if verdict.get("rank") is not None else ""
    if kind == "oom":
        killed = "SIGKILL" in (verdict.get("ended") or "")
        return _joined(rank, "killed (out of memory)" if killed else "out of memory")
    if kind in _WORDS:
        return _joined(rank, _WORDS[kind])
    line = _shortened(verdict.get("line") or kind)
    if kind in _NAMED:
        return f"{_NAMED[kind]}: {line}"
    return f"{rank}: {line}" if rank else line


def sentence(verdict: Mapping[str, Any]) -> str:
    """`killed: train, attempt 2, rank 1 was first: ValueError: no · exit code 1`."""
    place = [verdict["stage"]] if verdict.get("stage") else []
    if (verdict.get("attempt") or 0) > 1:
        place.append(f"attempt {verdict['attempt']}")
    if verdict.get("rank") is not None:
        place.append(f"rank {verdict['rank']} was first")
    line, ended = verdict.get("line") or "", verdict.get("ended") or ""
    said = " · ".join(part for part in (line, "" if ended and ended in line else ended) if part)
    return ": ".join(part for part in (verdict.get("kind") or "unknown", ", ".join(place), said) if part)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
