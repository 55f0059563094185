"""Texts for people and editors: a job with its commands, JSON Schemas."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobctl.errors import InputError

if TYPE_CHECKING:
    from jobctl.spec.job import Job


def job_text(job: Job) -> str:
    """The job's YAML and, as comments, each stage's commands as one would type them."""
    from jobctl.plan.commands import make_text

    return make_text(job)


def schema(kind: str, template: str | None = None) -> dict[str, Any]:
    """The schema of a kind of file: inventory, config, template, job. With `template`, of the configs for that one.

    Templates are looked for as for a config in the working directory. Raises InputError and its kinds.
    """
    from jobctl.laptop import places
    from jobctl.spec.schema import config_schema, schemas
    from jobctl.spec.template import load_template

    if template is None:
        return schemas()[kind]
    if kind != "config":
        raise InputError("only configs have a schema for each template", next_command=f"jobctl schema {kind}")
    folder, files = places.read_template(template, Path.cwd())
    return config_schema(load_template(template, files, os.fspath(folder)))
