"""`job.json`: what the supervisor runs, with nothing left to decide but cards and attempt. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from jobctl.plan.launcher import make_argv, make_env
from jobctl.plan.run_files import GLOO_START, needs_gloo_start
from jobctl.spec.job import Job, Stage


def make_run_id(name: str, day: date, random_hex: str) -> str:
    """`deeplabv3p-20261123-5f3a`: sorts by day, and is a file name, a container name and a word."""
    return f"{name}-{day:%Y%m%d}-{random_hex}"


def job_digest(job: Job) -> str:
    """SHA-256 of what the job says, as hex. Equal jobs have equal digests, however their YAML was written."""
    text = json.dumps(job.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def make_run_spec(
    job: Job,
    *,
    run_id: str,
    submitted_at: float,
    submitted_by: str,
    code: Mapping[str, Any],
    cards_wanted: Sequence[int] | None,
    exclusive: bool = False,
    wait_s: float | None = None,
    lease_dir: str | None = None,
    container: Mapping[str, Any] | None = None,
    lock: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of `job.json`.

    `submitted_at`: seconds since the epoch, laptop's clock. `code`: what is known of the source, such as
    {"git", "ref", "commit"}. `cards_wanted`: the cards asked for by number; None: the first free ones.
    `exclusive`: nobody else gets a card of the host. `wait_s`: how long it may wait for cards; None: for ever.
    `lease_dir`: where the host's users agree on cards; None: the host program's default.
    `container`: see `plan/container.py`; None: the stages run on the host itself. Where a dataset lies
    (`target`) is known on the host only, and added there.
    """
    return {
        "version": 1,
        "run_id": run_id,
        "name": job.name,
        "device": job.device,
        "cards": job.cards,
        "cards_wanted": None if cards_wanted is None else list(cards_wanted),
        "exclusive": exclusive,
        "wait_s": wait_s,
        "lease_dir": lease_dir,
        "container": None if container is None else dict(container),
        "retry": job.retry.model_dump(mode="json") if job.retry else None,
        "on_boot": job.on_boot,
        "walltime_s": job.walltime_s,
        "submitted_at": submitted_at,
        "submitted_by": submitted_by,
        "job": job.model_dump(mode="json"),
        "code": dict(code),
        "environment": _environment(job, lock),
        "env": make_env(job),
        "secrets": list(job.secrets),
        "data": [{"name": data.name, "link": data.link} for data in job.data],
        "stages": [_stage(stage, job) for stage in job.stages],
        "artifacts": [artifact.model_dump(mode="json") for artifact in job.artifacts],
    }


def _environment(job: Job, lock: Mapping[str, Any] | None) -> dict[str, Any]:
    """`lock`: the packages that it is made of, exactly; None: as pip finds them."""
    written = job.environment.model_dump(mode="json")
    return {**written, "pythonpath": _pythonpath(job), "lock": None if lock is None else dict(lock)}


def _pythonpath(job: Job) -> list[str]:
    """Relative to the code tree. Last, and not from the job, what makes gloo ranks start reliably."""
    return [*job.environment.pythonpath, *([f"../{GLOO_START}"] if needs_gloo_start(job) else [])]


def _stage(stage: Stage, job: Job) -> dict[str, Any]:
    steps = [
        {"argv": make_argv(step, job), "distributed": step.distributed, "cwd": step.cwd, "env": dict(step.env)}
        for step in stage.steps
    ]
    return {**stage.model_dump(mode="json"), "steps": steps}
