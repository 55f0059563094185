"""YAML text with the place of every field, so that a mistake can be shown where it was written.

The scalars follow YAML 1.2's core schema, not PyYAML's 1.1: `1e-4` is a number, `yes`, `on` and `12:30` are text and
`2026-11-23` is not a date. Duplicate keys, tags and endless structures are refused. Merge keys (`<<`) are not a thing
of YAML 1.2 and are ordinary (unknown) keys here; anchors and aliases work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from jobctl.errors import ConfigError
from jobctl.spec.yaml_rules import add_core_rules

Path = tuple[str | int, ...]
"""Where a field is: ("stages", 0, "name"). Written `stages[0].name`."""

MAX_NODES = 50_000
"""Any file may have these, and a long one as many as it has characters: ends what aliases of aliases would blow up."""


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's parser with the scalar rules of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (as the base has it)


add_core_rules(_CoreLoader)


@dataclass(frozen=True)
class Mark:
    """A place in a text; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """A parsed YAML text. `marks` has a place for every field: the key's for a mapping's, the item's for a list's."""

    source: str
    text: str
    data: Any
    marks: Mapping[Path, Mark] = field(default_factory=dict)

    def mark(self, path: Path) -> Mark | None:
        """The place of a field, or of the nearest one around it that was written."""
        for length in range(len(path), -1, -1):
            if (found := self.marks.get(path[:length])) is not None:
                return found
        return None

    def where(self, path: Path) -> str:
        """`file:line:column (field)`, as far as it is known."""
        mark = self.mark(path)
        place = f"{self.source}:{mark.line}:{mark.column}" if mark else self.source
        return f"{place} ({field_name(path)})" if path else place


def field_name(path: Path) -> str:
    """`stages[0].env.KEY`; control characters are escaped."""
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def excerpt(text: str, mark: Mark, *, until: int | None = None) -> str:
    """The line of a mark with a caret below it; at most 120 characters; nothing that could move a terminal's cursor."""
    lines = text.split("\n")
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    line = "".join(c if c.isprintable() else " " if c in "\t\r" else "\N{REPLACEMENT CHARACTER}" for c in line[:until])
    start = max(0, mark.column - 80)
    number = f"{mark.line:>5} | "
    return (
        f"{number}{line[start : start + 120].rstrip()}\n{' ' * (len(number) - 2)}| {' ' * (mark.column - 1 - start)}^"
    )


def load_yaml(text: str, source: str) -> Document:
    """Parse one YAML document. `source` is the file's name for messages. Raises ConfigError with line and column."""
    loader: _CoreLoader | None = None
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        marks: dict[Path, Mark] = {}
        data = None if node is None else _build(node, (), _Walk(source, text, marks))
        return Document(source, text, data, marks)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source, text) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(before.count("\n") + 1, error.position - before.rfind("\n"))
        what = f"the character U+{ord(text[error.position]):04X} may not stand in a YAML file"
        hint = 'inside double quotes it can be written as an escape, such as "\\u001b"'
        raise _error(what, source, text, mark, hint) from None
    except RecursionError:
        raise ConfigError("nested too deeply", where=source) from None
    finally:
        if loader is not None:
            loader.dispose()


@dataclass
class _Walk:
    """What the walk over the parsed nodes knows."""

    source: str
    text: str
    marks: dict[Path, Mark]
    open_nodes: set[int] = field(default_factory=set)

    def refuse(self, what: str, node: yaml.Node, hint: str = "") -> ConfigError:
        return _error(what, self.source, self.text, _mark(node), hint)

    def refuse_tag(self, node: yaml.Node) -> ConfigError:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        return self.refuse(f"the tag {tag} is not known here", node, "only plain YAML values are read")


def _build(node: yaml.Node, path: Path, walk: _Walk) -> Any:
    """A node as plain data; notes the place of everything below it."""
    walk.marks.setdefault(path, _mark(node))
    if len(walk.marks) > (most := max(MAX_NODES, len(walk.text))):
        raise walk.refuse(f"more than {most} values", node, "aliases of aliases multiply")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, walk)
    if id(node) in walk.open_nodes:
        raise walk.refuse("an alias to something that contains it", node)
    if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
        raise walk.refuse_tag(node)
    walk.open_nodes.add(id(node))
    try:
        if isinstance(node, yaml.MappingNode):
            return _mapping(node, path, walk)
        return [_build(item, (*path, index), walk) for index, item in enumerate(node.value)]
    finally:
        walk.open_nodes.discard(id(node))


def _mapping(node: yaml.MappingNode, path: Path, walk: _Walk) -> dict[str, Any]:
    """Keys are always text, as they were written."""
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise walk.refuse("a key must be a plain word or quoted text", key_node)
        key, place = key_node.value, (*path, key_node.value)
        if key in result:
            first = walk.marks[place].line
            raise walk.refuse(f"the key {key!r} stands twice", key_node, f"the first one is on line {first}")
        walk.marks[place] = _mark(key_node)
        result[key] = _build(value_node, place, walk)
    return result


def _scalar(node: yaml.ScalarNode, walk: _Walk) -> Any:
    value: str = node.value
    kind = node.tag.rpartition(":")[2]
    try:
        if node.tag == "tag:yaml.org,2002:str":
            return value
        if node.tag == "tag:yaml.org,2002:null":
            return None
        if node.tag == "tag:yaml.org,2002:bool":
            return {"true": True, "false": False}[value.lower()]
        if node.tag == "tag:yaml.org,2002:int":
            return int(value, 0) if value[:2] in ("0o", "0x") else int(value)
        if node.tag == "tag:yaml.org,2002:float":
            return float(value.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except (KeyError, ValueError):
        raise walk.refuse(f"{value[:60]!r} is not a value of type {kind}", node) from None
    raise walk.refuse_tag(node)


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _error(what: str, source: str, text: str, mark: Mark, hint: str) -> ConfigError:
    where = f"{source}:{mark.line}:{mark.column}\n{excerpt(text, mark)}"
    return ConfigError(what, where=where, hint=hint)


_HINTS = (
    ("'\\t'", "YAML is indented with spaces, never with tabs"),
    (
        "mapping values are not allowed",
        "is the line indented as its neighbours are? text that contains ': ' needs quotes",
    ),
    ("unknown escape character", "backslashes stay as they are between single quotes"),
    ("another document", "one document a file: no second '---'"),
    ("undefined alias", "text that begins with '*' needs quotes"),
    ("alphabetic or numeric character", "text that begins with '*' or '&' needs quotes"),
    ("'%'", "text that begins with '%' needs quotes"),
    ("'@'", "text that begins with '@' needs quotes"),
    ("'`'", "text that begins with '`' needs quotes"),
    ("while scanning a quoted scalar", "a quote is opened and not closed"),
    ("expected <block end>", "is the line indented as its neighbours are?"),
    ("could not find expected ':'", "a key without ':', or a line that is not indented enough"),
    ("expected ',' or", "a '[' or '{' is not closed, or a ',' is missing"),
)


def _syntax_error(error: yaml.MarkedYAMLError, source: str, text: str) -> ConfigError:
    at = error.problem_mark or error.context_mark
    mark = Mark(at.line + 1, at.column + 1) if at else Mark(1, 1)
    problem = (error.problem or "").removeprefix("but ")
    told = " ".join(part for part in (error.context, problem) if part)
    hint = next((hint for needle, hint in _HINTS if needle in told), "")
    if error.context and error.context_mark and error.context_mark.line + 1 != mark.line:
        told = f"{problem} ({error.context} that begins on line {error.context_mark.line + 1})"
    return _error(f"not valid YAML: {told}", source, text, mark, hint)
