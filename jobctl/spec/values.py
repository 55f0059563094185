"""What values a template takes, and whether a config gives them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, model_validator

from jobctl.errors import InputError
from jobctl.spec.config import Config, override_values
from jobctl.spec.fields import Misfit, Part, check_text, one_of
from jobctl.spec.validate import Problem, closest, config_error, did_you_mean, kind_of, show
from jobctl.spec.yaml_source import Path

ValueType = Literal["string", "integer", "number", "boolean", "list", "map", "any"]

_TOLD = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a mapping (key: value)",
}


class Value(Part):
    """One value of a template."""

    model_config = one_of("default", "required")

    type: ValueType = Field(description="What it may be.")
    default: Any = Field(None, description="Its value where the config has none; null: it may be left out.")
    required: Annotated[bool, Strict()] = Field(False, description="The config must give it.")
    choices: tuple[Any, ...] | None = Field(None, min_length=1, description="The only values it may have.")
    help: str = Field("", description="One line for people.")

    @model_validator(mode="after")
    def _check(self) -> Value:
        has_default = "default" in self.model_fields_set
        if has_default == self.required:
            raise Misfit("exactly one of 'default' and 'required: true' must be given")
        if has_default and (problem := misfit(self, self.default)):
            raise Misfit(problem.what, at=("default",), hint=problem.hint)
        return self


def misfit(value: Value, given: object) -> Problem | None:
    """Why `given` is not a value of that type, or None."""
    if given is None and not value.required and value.default is None:
        return None
    if not _fits(value.type, given):
        hint = "put it in quotes" if value.type == "string" and isinstance(given, bool | int | float) else ""
        return Problem((), f"expected {_TOLD[value.type]}, not {kind_of(given)}", hint, show(given))
    if value.choices is not None and given not in value.choices:
        best = closest(given, (str(choice) for choice in value.choices))
        hint = f"did you mean {best!r}?" if best else ""
        return Problem((), f"expected one of {', '.join(map(show, value.choices))}", hint, show(given))
    try:
        _check_texts(given)
    except Misfit as error:
        return Problem((), str(error), "", show(given))
    return None


def _check_texts(given: object) -> None:
    """Every text in a value can be written down. Raises Misfit."""
    if isinstance(given, str):
        check_text(given)
    elif isinstance(given, list | dict):
        for item in [*given, *given.values()] if isinstance(given, dict) else given:
            _check_texts(item)


def _fits(kind: ValueType, given: object) -> bool:
    if isinstance(given, bool):
        return kind in ("boolean", "any")
    types: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "list": list, "map": dict}
    return kind == "any" or (kind in types and isinstance(given, types[kind]))


def resolve_values(declared: dict[str, Value], config: Config) -> dict[str, Any]:
    """Every declared value: the template's default, the config's value, `--set`. Raises ConfigError or InputError."""
    defaults = {name: value.default for name, value in declared.items() if not value.required}
    given = override_values({**defaults, **config.values}, config.overrides)
    found = [problem for name in given if (problem := _problem(declared, name, given[name])) is not None]
    found += [_missing(name, value) for name, value in declared.items() if name not in given]
    for problem in found:
        if source := _set_by(config, problem.path):
            raise InputError(f"{source}: {problem.what}", value=given.get(str(problem.path[1])), hint=problem.hint)
    if found:
        raise config_error(found, config.document)
    return given


def _problem(declared: dict[str, Value], name: str, given: object) -> Problem | None:
    if name not in declared:
        what = f"the template has no value {show(name)}"
        return Problem(("values", name), what, did_you_mean(name, declared, several="it has"))
    problem = misfit(declared[name], given)
    return problem and Problem(("values", name), problem.what, problem.hint, problem.shown)


def _missing(name: str, value: Value) -> Problem:
    told = f" ({value.help})" if value.help else ""
    return Problem(
        ("values", name), f"the template needs this value{told}", f"write it under 'values', or --set {name}=..."
    )


def _set_by(config: Config, path: Path) -> str:
    touched = [override for override in config.overrides if override.path[0] == path[1]]
    return str(touched[-1]) if touched else ""
