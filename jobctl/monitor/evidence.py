"""What a report is made of: everything that is known of one run, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from jobctl.monitor.columns import Metrics


@dataclass(frozen=True)
class Picture:
    """A prediction, and the picture that it was made from where that is known; both as data URIs.

    `classes`: the prediction's pixels are class numbers, and it is drawn in the palette of Cityscapes.
    """

    name: str
    prediction: str
    input: str | None = None
    classes: bool = False


@dataclass(frozen=True)
class Evidence:
    """One run. `job`: its job.json, `environment`: its environment.json; None where they were never seen here.

    `age_s`: the host could not be asked, so all this is so old. `notes`: what is missing and why, in sentences.
    """

    run_id: str
    host_name: str
    status: Mapping[str, Any]
    metrics: Metrics
    submitted_at: float | None = None
    config: str = ""
    job: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    pictures: Sequence[Picture] = ()
    age_s: float | None = None
    notes: Sequence[str] = field(default=())

    @property
    def state(self) -> str:
        return str(self.status.get("state") or "STAGING")


def moment(at: object) -> str:
    """`2026-11-23 00:13:07 UTC`; empty for what is no time."""
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 < at < 32503680000:
        return ""
    return datetime.fromtimestamp(at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: object) -> str:
    """`7 s`, `4 min 12 s`, `3 h 05 min`, `2 d 04 h`; empty for what is none."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"
