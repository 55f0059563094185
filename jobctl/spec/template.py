"""Templates: a folder with `template.yaml`, `job.yaml.j2` and helper files, rendered to a job.

Every `{{ expression }}` is written as one quoted YAML scalar or flow value, and must stand where one value stands:
alone, not inside a longer text and not between quotes. So no value can change what the job says elsewhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from pydantic import Field, PrivateAttr, ValidationError

from jobctl.errors import ConfigError, RenderedJobError, TemplateError
from jobctl.spec.config import Config
from jobctl.spec.fields import Label, Name, Part
from jobctl.spec.job import Job
from jobctl.spec.render import render_text
from jobctl.spec.validate import Problem, config_error, problems, validate
from jobctl.spec.values import Value, resolve_values
from jobctl.spec.yaml_source import load_yaml

DECLARATION = "template.yaml"
JOB_SOURCE = "job.yaml.j2"


class Declaration(Part):
    """`template.yaml`."""

    description: str = Field(description="One line for people.")
    values: dict[Label, Value] = Field(default_factory=dict, description="The values it takes, by name.")


class Template(Part):
    """A template that was read: its declaration and all of its files by relative path."""

    name: Name
    description: str
    values: dict[str, Value]
    files: dict[str, bytes]
    folder: str

    _texts: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def helpers(self) -> dict[str, bytes]:
        """The files that travel with the job into the run's `template/` folder."""
        return {path: data for path, data in self.files.items() if path != DECLARATION and not path.endswith(".j2")}


def load_template(name: str, files: Mapping[str, bytes], folder: str = "") -> Template:
    """A template from its files; `folder` is where they came from, for messages. Raises TemplateError, ConfigError."""
    folder = folder or f"templates/{name}"
    for needed in (DECLARATION, JOB_SOURCE):
        if needed not in files:
            raise TemplateError(f"the template has no file {needed}", where=folder)
    texts = {path: _text(data, f"{folder}/{path}") for path, data in files.items() if path.endswith(".j2")}
    document = load_yaml(_text(files[DECLARATION], f"{folder}/{DECLARATION}"), f"{folder}/{DECLARATION}")
    declared = validate(Declaration, document)
    bad = [key for key in declared.values if not key.isidentifier() or key == "name"]
    if bad:
        what = "'name' is the job's name" if bad[0] == "name" else "is not a name that an expression can use"
        raise config_error([Problem(("values", bad[0]), what, "letters, digits and '_', no digit first")], document)
    try:
        template = Template(
            name=name, description=declared.description, values=declared.values, files=dict(files), folder=folder
        )
    except ValidationError as error:
        found = problems(Template, error)
        raise TemplateError(found[0].what, where=folder, value=name) from None
    template._texts.update(texts)
    return template


def render(template: Template, config: Config) -> str:
    """The job as YAML text. Raises ConfigError for the values, TemplateError for the template."""
    context: dict[str, Any] = resolve_values(template.values, config)
    context["name"] = config.name or template.name
    return render_text(template._texts, JOB_SOURCE, context, folder=template.folder)


def make_job(template: Template, config: Config) -> Job:
    """The validated job. Raises ConfigError for the values; RenderedJobError where the rendered text is no job."""
    text = render(template, config)
    source = f"{template.folder}/{JOB_SOURCE}, rendered"
    try:
        return validate(Job, load_yaml(text, source))
    except ConfigError as error:
        told = RenderedJobError(error.what, where=error.where, value=error.value, hint=error.hint)
        sets = [word for override in config.overrides for word in ("--set", override.as_argument())]
        told.next_command = shlex.join(["jobctl", "render", config.document.source, *sets])
        told.text = text
        raise told from None


def _text(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TemplateError("is not UTF-8 text", where=f"{source}:{line}") from None
