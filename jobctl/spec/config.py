"""The config: which template, the values for it, and what `--set` changes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import Field, PrivateAttr

from jobctl.errors import ConfigError, InputError
from jobctl.spec.fields import Name, Part
from jobctl.spec.notify import Notify
from jobctl.spec.validate import validate
from jobctl.spec.yaml_source import Document, load_yaml
from jobctl.spec.yaml_write import flow


class Override(NamedTuple):
    """One `--set`: the path of a value and what it becomes."""

    path: tuple[str, ...]
    value: Any

    def as_argument(self) -> str:
        """What is written after `--set`."""
        return f"{'.'.join(self.path)}={flow(self.value)}"

    def __str__(self) -> str:
        return f"--set {'.'.join(self.path)}=..."


class Config(Part):
    """A config as it was written, overrides applied."""

    template: Name = Field(description="Name of the template: its folder under templates/.")
    name: Name | None = Field(None, description="Name of the job. Default: the template's name.")
    values: dict[str, Any] = Field(default_factory=dict, description="Values for the template.")
    notify: Notify | None = Field(None, description="Who is told that the run is over. Default: JOBCTL_WEBHOOK.")

    _document: Document = PrivateAttr(default=Document("config", "", None))
    _overrides: tuple[Override, ...] = PrivateAttr(default=())

    @property
    def document(self) -> Document:
        """The text it was read from."""
        return self._document

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What `--set` changes, in order. The template applies it over its defaults and the values."""
        return self._overrides


def load_config(text: str, source: str) -> Config:
    """Parse and validate a config. Its values are checked later, against the template. Raises ConfigError."""
    document = load_yaml(text, source)
    config = validate(Config, document)
    config._document = document
    return config


def parse_set(text: str) -> Override:
    """`learning_rate=1e-3`, `opts.model.type="x"`: the value is read as YAML. Raises InputError."""
    key, equals, written = text.partition("=")
    path = tuple(key.split("."))
    if not equals or not all(part.strip() for part in path):
        raise InputError("--set wants KEY=VALUE", value=text, hint="such as --set iters=1000 or --set opts.seed=7")
    try:
        value = load_yaml(written, f"--set {key}").data if written.strip() else written
    except ConfigError as error:
        hint = "the value is read as YAML; text with special characters goes between quotes: --set 'note=\"a: b\"'"
        raise InputError(f"--set {key}: {error.what}", value=written, hint=hint) from None
    return Override(path, value)


def apply_overrides(config: Config, overrides: Sequence[Override]) -> Config:
    """A config with further overrides."""
    result = config.model_copy()
    result._document, result._overrides = config._document, (*config._overrides, *overrides)
    return result


def override_values(values: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """Values with the overrides in place. Raises InputError when a path leads through something that is no mapping."""
    for override in overrides:
        values = _replaced(values, override.path, override)
    return values


def _replaced(values: dict[str, Any], path: tuple[str, ...], override: Override) -> dict[str, Any]:
    first, *rest = path
    if not rest:
        return {**values, first: override.value}
    inner = values.get(first)
    inner = {} if inner is None else inner
    if not isinstance(inner, dict):
        raise InputError(f"{override}: {first!r} is not a mapping", value=inner)
    return {**values, first: _replaced(inner, tuple(rest), override)}
