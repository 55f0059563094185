"""The small files that travel with a job into its run directory."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from jobctl.spec.job import Job

GLOO_START = "gloo_start"
"""Folder of the run directory with a `sitecustomize` that makes four gloo ranks start reliably on a CPU."""


def needs_gloo_start(job: Job) -> bool:
    """Whether the job has processes that talk over gloo."""
    return job.device == "cpu" and any(step.distributed for stage in job.stages for step in stage.steps)


def make_run_files(job: Job, helpers: Mapping[str, bytes]) -> dict[str, bytes]:
    """Path relative to the run directory -> content."""
    files = {f"template/{path}": content for path, content in helpers.items()}
    if needs_gloo_start(job):
        source = resources.files("jobctl.plan") / "gloo_start" / "sitecustomize.py"
        files[f"{GLOO_START}/sitecustomize.py"] = source.read_bytes()
    return files
