"""What a host tells of a run, as logs for the matcher. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobctl.diagnose.logs import Log

_SMALL_SHM_BYTES = 1 << 30
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class RunLog:
    """The text of one of a run's log files, as far as the host sent it. `rank`: whose it is, if a rank's."""

    file: str
    rank: int | None
    text: str


def make_logs(found: Sequence[RunLog], status: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Log]:
    """The logs, and what jobctl itself knows of the failure as lines that signatures ask for."""
    logs = [Log(one.file if one.rank is None else f"{one.file} (rank {one.rank})", one.text) for one in found]
    lines = [*_verdict_lines(status.get("verdict") or {}), *_fact_lines(facts)]
    return [*logs, Log("jobctl", "\n".join(lines), ordered=False)] if lines else logs


def _verdict_lines(verdict: Mapping[str, Any]) -> list[str]:
    lines = [f"jobctl: verdict: {verdict['kind']}"] if verdict.get("kind") else []
    lines += [f"jobctl: ended: {verdict['ended']}"] if verdict.get("ended") else []
    lines += [str(verdict["line"])] if verdict.get("line") else []
    return lines + [str(line) for line in verdict.get("evidence") or [] if "oom" in str(line).lower()]


def _fact_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = [f"jobctl: job: device {facts['device']}"] if facts.get("device") else []
    shm, free = facts.get("shm_size_bytes"), facts.get("disk_free_bytes")
    if isinstance(shm, int) and shm < _SMALL_SHM_BYTES:
        lines.append(f"jobctl: host: /dev/shm has {shm // _MEGABYTE} MB")
    if isinstance(free, int) and free < _MEGABYTE:
        lines.append("jobctl: host: the disk of the run has no room left")
    lines += [f"jobctl: host: {name} {facts[name]}" for name in ("driver", "CANN") if facts.get(name)]
    return lines
