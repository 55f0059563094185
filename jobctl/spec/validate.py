"""From what pydantic found to what the user should read: file, line, field, value, and the word they meant.

No pydantic word reaches the user. Several mistakes come in one message, in the order of the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jobctl.errors import ConfigError
from jobctl.spec.fields import Misfit
from jobctl.spec.yaml_source import Document, Path, excerpt, field_name

MAX_SHOWN = 5

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """One mistake: where, what, and what to do about it. `shown` is the value as the user sees it, "" for none."""

    path: Path
    what: str
    hint: str = ""
    shown: str = ""


def closest(word: object, known: Iterable[str]) -> str:
    """The word of `known` that `word` was probably meant to be, or ""."""
    words = list(known)
    lower = {known_word.lower(): known_word for known_word in words}
    found = difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else ""


def did_you_mean(word: object, known: Iterable[str], *, several: str = "known") -> str:
    """`did you mean 'x'?`, or the list of what is known."""
    words = list(known)
    if best := closest(word, words):
        return f"did you mean {best!r}?"
    return f"{several}: {', '.join(words)}" if words else ""


def show(value: object, limit: int = 80) -> str:
    """A value in an error message: one line, printable, cut to `limit` characters."""
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def validate(model: type[M], document: Document, *, next_command: str = "") -> M:
    """The document as `model`. Raises ConfigError with every mistake that was found."""
    if document.data is None:
        needed = ", ".join(name for name, field in model.model_fields.items() if field.is_required())
        hint = f"it needs: {needed}" if needed else ""
        raise ConfigError("nothing is written in it", where=document.source, hint=hint, next_command=next_command)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise config_error(problems(model, error), document, next_command=next_command) from None


def problems(model: type[BaseModel], error: ValidationError, *, below: Path = ()) -> list[Problem]:
    """The mistakes of a ValidationError; `below` is where the model stands in the document."""
    found = []
    errors = error.errors(include_url=False)
    for details in errors:
        loc = details["loc"]
        if details["type"] == "too_short" and any(e["loc"][: len(loc)] == loc and e["loc"] != loc for e in errors):
            continue  # pydantic does not count the items that have mistakes of their own (seen on 2.14)
        problem = _problem(model, details)
        found.append(Problem(below + problem.path, problem.what, problem.hint, problem.shown))
    return found


def config_error(found: Sequence[Problem], document: Document, *, next_command: str = "") -> ConfigError:
    """All mistakes in one error, in the order of the file, at most MAX_SHOWN of them written out."""

    def place(problem: Problem) -> tuple[int, int]:
        mark = document.mark(problem.path)
        return (mark.line, mark.column) if mark else (0, 0)

    unique = sorted(dict.fromkeys(found), key=place)
    if len(unique) == 1:
        only = unique[0]
        return ConfigError(_sentence(only), where=_where(only, document), hint=only.hint, next_command=next_command)
    lines = [f"{document.source} has {len(unique)} mistakes"]
    for problem in unique[:MAX_SHOWN]:
        hint = f" ({problem.hint})" if problem.hint else ""
        lines.append(_indent(f"{_sentence(problem)}{hint}\n{_where(problem, document)}", "  "))
    if len(unique) > MAX_SHOWN:
        lines.append(f"  and {len(unique) - MAX_SHOWN} more")
    return ConfigError("\n".join(lines), where=document.source, next_command=next_command)


def _sentence(problem: Problem) -> str:
    name = field_name(problem.path)
    value = f": {problem.shown}" if problem.shown else ""
    return f"{name}: {problem.what}{value}" if name else f"{problem.what}{value}"


def _where(problem: Problem, document: Document) -> str:
    mark = document.mark(problem.path)
    if mark is None:
        return document.source
    return f"{document.source}:{mark.line}:{mark.column}\n{excerpt(document.text, mark)}"


def _indent(text: str, by: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([by + first, *(by * 2 + line for line in rest)])


def _problem(model: type[BaseModel], details: ErrorDetails) -> Problem:
    kind, value = details["type"], details["input"]
    path: Path = tuple(part for part in details["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        return Problem(path, f"unknown key {show(path[-1])}", did_you_mean(path[-1], known))
    if kind == "missing":
        return Problem(path, "this key is missing")
    if kind == "value_error":
        return _misfit(path, details)
    told = _TOLD.get(kind)
    if told is None:
        return Problem(path, "does not fit", details["msg"], show(value))
    what, hint = told(value, details.get("ctx", {}))
    return Problem(path, what, hint, "" if isinstance(value, dict | list) else show(value))


def _misfit(path: Path, details: ErrorDetails) -> Problem:
    reason = details.get("ctx", {}).get("error")
    value = details["input"]
    at, hint = (reason.at, reason.hint) if isinstance(reason, Misfit) else ((), "")
    return Problem(path + at, str(reason), hint, "" if at or isinstance(value, dict | list) else show(value))


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """Names of the keys that may stand at `path` of a model."""
    here: Any = model
    for part in path:
        here = here.model_fields[part].annotation if _is_model(here) and part in here.model_fields else here
        while not _is_model(here) and get_args(here):
            here = next((arg for arg in get_args(here) if _is_model(arg) or get_args(arg)), None)
    return list(here.model_fields) if _is_model(here) else []


def _is_model(kind: object) -> bool:
    # On Python 3.10 tuple[X, ...] counts as a type, and issubclass does not take it.
    return get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel)


Told = Callable[[Any, dict[str, Any]], tuple[str, str]]


def _expected(what: str) -> Told:
    def tell(value: Any, ctx: dict[str, Any]) -> tuple[str, str]:
        return f"expected {what}, not {kind_of(value)}", _retype(value, what)

    return tell


def _retype(value: Any, what: str) -> str:
    if what == "text" and isinstance(value, bool | int | float):
        return "put it in quotes"
    if what == "true or false" and isinstance(value, str):
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower())
        return f"write {meant}" if meant else ""
    if what.endswith("number") and isinstance(value, str) and value.strip("+-").replace(".", "", 1).isdigit():
        return "write it without quotes"
    return ""


def kind_of(value: object) -> str:
    """What the user would call it."""
    names = {type(None): "nothing", bool: "true or false", int: "a number", float: "a fraction", str: "text"}
    return names.get(type(value), "a list" if isinstance(value, list | tuple) else "a mapping")


def _choice(value: Any, ctx: dict[str, Any]) -> tuple[str, str]:
    options = str(ctx["expected"])
    known = [word.strip("'") for word in options.replace(" or ", ", ").split(", ")]
    best = closest(value, known)
    return f"expected {options}", f"did you mean {best!r}?" if best else ""


def _at_least_one(value: Any, ctx: dict[str, Any]) -> tuple[str, str]:
    return f"expected at least {ctx['min_length']} item", ""


_TOLD: dict[str, Told] = {
    "string_type": _expected("text"),
    "int_type": _expected("a whole number"),
    "int_from_float": _expected("a whole number"),
    "float_type": _expected("a number"),
    "bool_type": _expected("true or false"),
    "tuple_type": _expected("a list"),
    "list_type": _expected("a list"),
    "dict_type": _expected("a mapping (key: value)"),
    "model_type": _expected("a mapping (key: value)"),
    "literal_error": _choice,
    "too_short": _at_least_one,
    "finite_number": lambda value, ctx: ("expected a finite number", ""),
    "greater_than_equal": lambda value, ctx: (f"expected at least {ctx['ge']}", ""),
    "less_than_equal": lambda value, ctx: (f"expected at most {ctx['le']}", ""),
    "greater_than": lambda value, ctx: (f"expected more than {ctx['gt']}", ""),
}
