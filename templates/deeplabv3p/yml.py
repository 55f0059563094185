"""PaddleSeg's yml files, as far as needed where no YAML library is: read one number, write a derived file."""

import json
import os
import re


def read_number(path, key):
    """A whole number at the top level of a yml, or of the file its `_base_` names; None when it is in neither."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return None
    found = re.search(rf"^[\"']?{re.escape(key)}[\"']?\s*:\s*([0-9]+)\s*(#.*)?$", text, re.MULTILINE)
    if found:
        return int(found.group(1))
    base = re.search(r"^[\"']?_base_[\"']?\s*:\s*(\".*\"|'.*'|[^\s#]+)", text, re.MULTILINE)
    return read_number(os.path.join(os.path.dirname(path), _unquote(base.group(1))), key) if base else None


def _unquote(scalar):
    if scalar.startswith('"'):
        return json.loads(scalar)
    return scalar[1:-1].replace("''", "'") if scalar.startswith("'") else scalar


def to_yaml(value):
    """A value as YAML in flow style. JSON but for floats: PyYAML takes JSON's 4e-05 for text, it wants 4.0e-05."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_yaml(key)}: {to_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(to_yaml(item) for item in value) + "]"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
