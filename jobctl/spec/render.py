"""Jinja2, kept inside the structure of the YAML that it writes.

While a template is rendered, each expression leaves a token. The tokens show where expressions stand; only then are
they replaced by values, each as one quoted scalar or flow value on its line.
"""

from __future__ import annotations

import glob
import hashlib
import re
import traceback
from collections.abc import Mapping
from typing import Any

import jinja2
import yaml
from jinja2.sandbox import SandboxedEnvironment

from jobctl.errors import TemplateError
from jobctl.spec.validate import did_you_mean
from jobctl.spec.yaml_source import Mark, excerpt
from jobctl.spec.yaml_write import flow


class _Tokens:
    """What the expressions of one rendering gave, in order, and the token, a plain word, that each of them left."""

    def __init__(self, texts: Mapping[str, str], context: Mapping[str, Any]) -> None:
        # Named by a hash of all that goes in: nothing that goes in can contain it.
        seed = repr((sorted(texts.items()), context)).encode("utf-8", "backslashreplace")
        self.name = f"jobctl{hashlib.sha256(seed).hexdigest()[:24]}"
        self.pattern = re.compile(f"{self.name}x([0-9]+)x")
        self.written: list[str] = []

    def leave(self, value: Any) -> str:
        """The token that stands for a value from now on."""
        _check_defined(value)
        # What a {% set %} block or a macro wrote is text that holds tokens itself.
        self.written.append(flow(self.fill(value) if isinstance(value, str) else value))
        return f"{self.name}x{len(self.written) - 1}x"

    def fill(self, text: str) -> str:
        """The text with values in place of tokens."""
        return self.pattern.sub(lambda match: self.written[int(match[1])], text)

    def alone(self, scalar: yaml.ScalarEvent) -> bool:
        """Whether a scalar of the text is one token, or has none in it."""
        plain = scalar.style is None and self.pattern.fullmatch(scalar.value) is not None
        return plain or self.name not in scalar.value


def _check_defined(value: Any) -> None:
    """Raises UndefinedError, which names what is missing."""
    if isinstance(value, jinja2.Undefined):
        str(value)
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for item in items:
        _check_defined(item)


def render_text(texts: Mapping[str, str], name: str, context: Mapping[str, Any], *, folder: str) -> str:
    """`texts[name]` with `context`; the others can be included. Raises TemplateError with file and line."""
    tokens = _Tokens(texts, context)
    try:
        text = _environment(texts, tokens, folder).get_template(name).render(context)
    except jinja2.TemplateSyntaxError as error:
        raise _syntax_error(error, texts, name, folder) from None
    except jinja2.TemplateNotFound as error:
        raise TemplateError(f"the template has no file {error.name!r} to include", where=f"{folder}/{name}") from None
    except Exception as error:  # whatever the expressions of a template can raise
        raise _runtime_error(error, texts, context, folder) from None
    _check_stand_alone(text, tokens, f"{folder}/{name}")
    return tokens.fill(text)


def _environment(texts: Mapping[str, str], tokens: _Tokens, folder: str) -> SandboxedEnvironment:
    def load(path: str) -> tuple[str, str, None] | None:
        return (texts[path], f"{folder}/{path}", None) if path in texts else None

    @jinja2.pass_context  # of no use here, but it keeps Jinja2 from finalizing constants while it compiles
    def finalize(_: jinja2.runtime.Context, value: Any) -> str:
        return tokens.leave(value)

    environment = SandboxedEnvironment(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["glob_escape"] = glob.escape
    environment.filters["regex_escape"] = re.escape
    # The same config must always render to the same text.
    del environment.filters["random"], environment.globals["lipsum"]
    return environment


def _check_stand_alone(text: str, tokens: _Tokens, source: str) -> None:
    """Every token is a whole scalar (or in a comment). Text that is not YAML at all is left to the YAML parser."""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.ScalarEvent) and not tokens.alone(event):
                raise _not_alone(text, tokens, source, event.start_mark.line if event.start_mark else 0)
    except yaml.YAMLError:
        return


def _not_alone(text: str, tokens: _Tokens, source: str, line: int) -> TemplateError:
    shown = tokens.pattern.sub("{{ ... }}", text)
    return TemplateError(
        "an expression must be a whole value: not between quotes, and not a part of a longer text",
        where=f"{source}, rendered, line {line + 1}\n{excerpt(shown, Mark(line + 1, 1))}",
        hint='it brings its own quotes; join text inside it: {{ save_dir ~ "/best_model" }}',
    )


def _syntax_error(error: jinja2.TemplateSyntaxError, texts: Mapping[str, str], name: str, folder: str) -> TemplateError:
    file = error.name if error.name is not None and error.name in texts else name
    where = f"{folder}/{file}:{error.lineno}\n{excerpt(texts[file], Mark(error.lineno, 1))}"
    return TemplateError(f"template syntax: {error.message}", where=where)


def _runtime_error(
    error: Exception, texts: Mapping[str, str], context: Mapping[str, Any], folder: str
) -> TemplateError:
    what, hint = f"{type(error).__name__}: {error}", ""
    if isinstance(error, jinja2.UndefinedError):
        what = str(error.message)
        if name := re.fullmatch(r"'(\w+)' is undefined", what):
            hint = did_you_mean(name[1], context, several="declared in template.yaml")
    where = folder
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = frame.filename.removeprefix(f"{folder}/")
        if file in texts and frame.lineno is not None:
            where = f"{frame.filename}:{frame.lineno}\n{excerpt(texts[file], Mark(frame.lineno, 1))}"
            break
    return TemplateError(what, where=where, hint=hint)
