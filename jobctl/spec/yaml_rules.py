"""Which plain words of YAML are not text: the core schema of YAML 1.2 (section 10.3.2 of its specification)."""

from __future__ import annotations

import re

from yaml.resolver import BaseResolver

_RULES = (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        [*"-+0123456789."],
    ),
)


def add_core_rules(reader_or_writer: type[BaseResolver]) -> None:
    """Teach the rules to a loader or a dumper class of PyYAML, after those it has."""
    for tag, pattern, first in _RULES:
        reader_or_writer.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), first)
