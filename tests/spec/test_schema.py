"""The JSON Schemas agree with what jobctl itself takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jobctl.spec.config import load_config
from jobctl.spec.schema import config_schema, schemas
from jobctl.spec.template import Template, load_template, make_job
from jobctl.spec.yaml_source import load_yaml
from tests.spec.templates import make_template

ROOT = Path(__file__).parents[2]


def problems(schema: dict[str, Any], data: object) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(data)]


def read(path: Path) -> Any:
    return load_yaml(path.read_text(), path.name).data


def shipped_template(name: str) -> Template:
    folder = ROOT / "templates" / name
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return load_template(name, files)


def described(schema: Any) -> list[str]:
    """Names of properties without a description."""
    if isinstance(schema, list):
        return [name for item in schema for name in described(item)]
    if not isinstance(schema, dict):
        return []
    own = [name for name, field in schema.get("properties", {}).items() if not field.get("description")]
    return own + [name for value in schema.values() for name in described(value)]


@pytest.mark.parametrize("kind", ["inventory", "config", "template", "job"])
def test_each_schema_is_a_schema_and_describes_every_field(kind: str) -> None:
    schema = schemas()[kind]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert described(schema) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("inventories/*.yaml")), ids=lambda path: path.stem)
def test_shipped_inventories_fit_their_schema(path: Path) -> None:
    assert problems(schemas()["inventory"], read(path)) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_templates_and_jobs_fit_their_schemas(path: Path) -> None:
    template = shipped_template(read(path)["template"])
    assert problems(schemas()["config"], read(path)) == []
    assert problems(config_schema(template), read(path)) == []
    assert problems(schemas()["template"], read(ROOT / "templates" / template.name / "template.yaml")) == []
    job = make_job(template, load_config(path.read_text(), path.name))
    assert problems(schemas()["job"], job.model_dump(mode="json", exclude_none=True)) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("inventory", "hosts: {a: {tranport: ssh}}"),
        ("inventory", "hosts: {a: {port: '22'}}"),
        ("inventory", "hosts: {a b: }"),
        ("inventory", "defaults: {transport: telnet}\nhosts: {a: }"),
        ("config", "values: {}"),
        ("config", "template: ../x"),
        ("template", "description: x\nvalues: {a: {type: int, default: 1}}"),
        ("template", "description: x\nvalues: {a: {type: integer}}"),
        ("job", "name: x\ndevice: cpu\ncode: {git: a, path: b}\nstages: [{name: a, steps: [{argv: [a]}]}]"),
        ("job", "name: x\ndevice: cpu\ncode: {path: b}\nstages: []"),
        ("job", "name: x\ndevice: cpu\ncode: {path: b}\nenv: {A-B: c}\nstages: [{name: a, steps: [{argv: [a]}]}]"),
    ],
)
def test_an_editor_sees_the_common_mistakes(kind: str, text: str) -> None:
    assert problems(schemas()[kind], load_yaml(text, "x").data)


TYPED = """\
description: x
values:
  data: {type: map, required: true, help: the dataset}
  device: {type: string, default: cpu, choices: [cpu, npu]}
  iters: {type: integer, default: null}
"""


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ("{data: {}}", True),
        ("{data: {}, device: npu, iters: 5}", True),
        ("{data: {}, iters: null}", True),
        ("{}", False),
        ("{data: x}", False),
        ("{data: {}, device: gpu}", False),
        ("{data: {}, iters: many}", False),
        ("{data: {}, itres: 5}", False),
    ],
)
def test_the_schema_for_one_template_knows_its_values(values: str, fits: bool) -> None:
    schema = config_schema(make_template(TYPED))
    jsonschema.Draft202012Validator.check_schema(schema)
    found = problems(schema, load_yaml(f"template: small\nvalues: {values}", "x").data)
    assert (found == []) is fits
