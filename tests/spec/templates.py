"""Small templates for tests."""

from __future__ import annotations

from collections.abc import Mapping

from jobctl.spec.template import Template, load_template

JOB = """\
name: {{ name }}
device: cpu
code: {path: .}
stages:
  - name: train
    steps: [{argv: [train.py]}]
"""


def make_template(declaration: str, job: str = JOB, files: Mapping[str, bytes] | None = None) -> Template:
    """A template named `small` of these texts."""
    return load_template("small", {"template.yaml": declaration.encode(), "job.yaml.j2": job.encode(), **(files or {})})


def with_value(kind: str, job: str) -> Template:
    """A template with one value, `value`, of a type."""
    return make_template(f"description: test\nvalues: {{value: {{type: {kind}, required: true}}}}", job)
