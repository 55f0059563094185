"""Values as YAML that stays on one line and means the same to YAML 1.1 and 1.2 readers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import yaml

from jobctl.spec.yaml_rules import add_core_rules

_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


class NotYaml(TypeError):
    """A value that YAML has no form for."""


def quote(text: str) -> str:
    """A double-quoted scalar. Only what every reader takes as it stands is written as it stands."""
    return '"' + "".join(_SHORT.get(c) or (c if c.isprintable() else _escape(ord(c))) for c in text) + '"'


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: object) -> str:
    """Any value as one scalar or flow collection. Text is always quoted. Raises NotYaml."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(str(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, Mapping):
        # "? " would be needed for keys above 1024 characters (YAML's limit for keys on one line).
        return "{" + ", ".join(f"{_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence | Iterator) and not isinstance(value, bytes | bytearray):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    raise NotYaml(f"a value of type {type(value).__name__} cannot be written")


def _key(key: object) -> str:
    written = quote(str(key))
    return written if len(written) < 1000 else f"? {written} "


def _number(value: float) -> str:
    if math.isfinite(value):
        text = repr(value)
        # YAML 1.1 readers take 1e-05 for text: they want a point.
        return text if "." in text else text.replace("e", ".0e")
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 would not take for text, and indents lists below their key, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


add_core_rules(_Dumper)


def dump(data: object, *, width: int = 110) -> str:
    """Plain data as a YAML document for people: block style, the innermost collections on one line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=None)
