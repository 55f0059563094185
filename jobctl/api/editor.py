"""JSON Schemas for editors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jobctl.errors import InputError


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
