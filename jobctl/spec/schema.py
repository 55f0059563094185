"""JSON Schemas of what a user writes, for editors. They are made from the models that validate it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from jobctl.spec.config import Config
from jobctl.spec.inventory import HostFields, InventoryFile
from jobctl.spec.job import Job
from jobctl.spec.template import Declaration, Template
from jobctl.spec.values import Value

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_TYPES: dict[str, Schema] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array"},
    "map": {"type": "object"},
    "any": {},
}


def schemas() -> dict[str, Schema]:
    """The schema of each kind of file: inventory, config, template, job."""
    return {
        "inventory": _inventory(),
        "config": _schema(Config, "A jobctl config: which template, and the values for it."),
        "template": _schema(Declaration, "The template.yaml of a jobctl template."),
        "job": _schema(Job, "A jobctl job, as a template renders it."),
    }


def config_schema(template: Template) -> Schema:
    """The schema of configs for one template: its values with their types, choices and help."""
    schema = _schema(Config, f"A jobctl config for the template {template.name}.")
    required = [name for name, value in template.values.items() if value.required]
    schema["properties"]["template"] = {"const": template.name, "description": template.description}
    schema["properties"]["values"] = {
        "type": "object",
        "description": f"Values for the template {template.name}.",
        "properties": {name: _value(value) for name, value in template.values.items()},
        "required": required,
        "additionalProperties": False,
    }
    if required:
        schema["required"] = [*schema["required"], "values"]
    return schema


def _value(value: Value) -> Schema:
    schema = dict(_TYPES[value.type])
    if value.choices is not None:
        schema = {"enum": list(value.choices)}
    if not value.required and value.default is None and schema:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if value.help:
        schema["description"] = value.help
    if not value.required:
        schema["default"] = value.default
    return schema


def _inventory() -> Schema:
    """Defaults and hosts are loose in the model, because hosts are validated over the defaults; here they are not."""
    schema = _schema(InventoryFile, "The hosts of a jobctl inventory.")
    fields = _closed(HostFields.model_json_schema(schema_generator=_NoTitles))
    schema["$defs"] = {**fields.pop("$defs", {}), "Host": fields}
    host = {"$ref": "#/$defs/Host"}
    properties = schema["properties"]
    properties["defaults"] = {**host, "description": properties["defaults"]["description"]}
    hosts = properties["hosts"]["patternProperties"]
    properties["hosts"]["patternProperties"] = {pattern: {"anyOf": [host, {"type": "null"}]} for pattern in hosts}
    return schema


class _NoTitles(GenerateJsonSchema):
    """Titles made from field names say nothing that the names do not."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schema(model: type[BaseModel], description: str) -> Schema:
    schema: Schema = _closed(model.model_json_schema(schema_generator=_NoTitles))
    return {"$schema": DIALECT, **schema, "title": description.rstrip("."), "description": description}


def _closed(schema: Any) -> Any:
    """The same schema, where a mapping whose keys have a pattern takes no other key (pydantic leaves that open)."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if "patternProperties" in closed else closed
