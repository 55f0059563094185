"""The kinds of text that a spec is made of. Each check answers in the user's words; `validate.py` adds the place."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


class Misfit(ValueError):
    """A value that does not fit. `at` leads from the model that noticed it to the field at fault."""

    def __init__(self, message: str, *, at: tuple[str | int, ...] = (), hint: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Part(BaseModel):
    """Base of everything that a user writes: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def one_of(*keys: str) -> ConfigDict:
    """For the JSON Schema of a model that wants exactly one of these keys."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [key]} for key in keys]})


def check_text(text: str) -> str:
    """No NUL (no path, argument or variable can hold one) and no half of a surrogate pair (not UTF-8)."""
    if "\0" in text:
        raise Misfit("contains a NUL character, which no path, argument or variable can hold")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise Misfit("contains half of a surrogate pair, which is not text")
    return text


def _check_filled(text: str) -> str:
    if not text.strip():
        raise Misfit("is empty")
    return check_text(text)


def _check_places(value: Any) -> Any:
    """One path, or several."""
    if isinstance(value, str):
        return _check_filled(value)
    if not isinstance(value, list | tuple):
        raise Misfit("must be the path of a folder or of a zip archive, or a list of archives")
    if not value:
        raise Misfit("is empty", hint="name at least one archive")
    for index, path in enumerate(value):
        if not isinstance(path, str):
            raise Misfit("must be the path of a zip archive", at=(index,))
        _check_filled(path)
    return tuple(value)


def _check_argument(value: Any) -> Any:
    """Numbers become text, as on a command line. True and false do not: each program spells them its own way."""
    if isinstance(value, bool):
        raise Misfit(
            f"{str(value).lower()} is not text",
            hint=f'write it as the program wants it, such as "{str(value).lower()}"',
        )
    return str(value) if isinstance(value, int | float) else value


def _check_relative(path: str) -> str:
    _check_filled(path)
    if path.startswith(("/", "~/")) or path == "~":
        raise Misfit("must be a relative path", hint="write it without the leading '/' or '~'")
    if ".." in path.split("/"):
        raise Misfit("may not contain '..'", hint="it must stay inside the folder it is relative to")
    return posixpath.normpath(path)


def _check_relative_below(path: str) -> str:
    normal = _check_relative(path)
    if normal == ".":
        raise Misfit("must name something below the folder it is relative to")
    return normal


def _check_host_path(path: str) -> str:
    _check_filled(path)
    if not path.startswith(("/", "~/")):
        raise Misfit("must be an absolute path on the host, or begin with '~/'")
    return path


def _check_regex(pattern: str) -> str:
    check_text(pattern)
    try:
        re.compile(pattern)
    except re.error as error:
        raise Misfit(
            f"is not a regular expression: {error}", hint="between single quotes YAML leaves backslashes as they are"
        ) from None
    return pattern


def _check_pattern(pattern: str, told: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise Misfit(told)
        return text

    return AfterValidator(check)


_NAME = "[a-z0-9][a-z0-9-]{0,39}"
_LABEL = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_ENV_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_PACKAGE = "[A-Za-z0-9][A-Za-z0-9._-]*"
_VERSION = "[A-Za-z0-9][A-Za-z0-9.!+_-]*"  # of PEP 440 the characters

Text = Annotated[str, AfterValidator(check_text)]
Filled = Annotated[str, AfterValidator(_check_filled), Field(json_schema_extra={"minLength": 1})]
Places = Annotated[Filled | tuple[Filled, ...], BeforeValidator(_check_places)]
Argument = Annotated[
    str, BeforeValidator(_check_argument), AfterValidator(check_text), WithJsonSchema({"type": ["string", "number"]})
]
RelativePath = Annotated[str, AfterValidator(_check_relative)]
PathBelow = Annotated[str, AfterValidator(_check_relative_below)]
HostPath = Annotated[str, AfterValidator(_check_host_path)]
Regex = Annotated[str, AfterValidator(_check_regex), Field(json_schema_extra={"format": "regex"})]
Name = Annotated[
    str,
    _check_pattern(_NAME, "must be 1 to 40 of a-z, 0-9 and '-', and begin with a letter or digit"),
    Field(json_schema_extra={"pattern": f"^{_NAME}$"}),
]
Label = Annotated[
    str,
    _check_pattern(_LABEL, "must be 1 to 64 of letters, digits, '.', '_' and '-', and begin with a letter or digit"),
    Field(json_schema_extra={"pattern": f"^{_LABEL}$"}),
]
EnvName = Annotated[
    str,
    _check_pattern(_ENV_NAME, "is not a name for an environment variable: letters, digits and '_', no digit first"),
    Field(json_schema_extra={"pattern": f"^{_ENV_NAME}$"}),
]
PackageName = Annotated[str, _check_pattern(_PACKAGE, "is not a name that a package can have")]
PackageVersion = Annotated[str, _check_pattern(_VERSION, "is not an exact version")]
