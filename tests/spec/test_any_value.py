"""Whatever a value holds, it comes back as that value, and nothing else of the text changes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobctl.spec.config import load_config
from jobctl.spec.template import render
from jobctl.spec.yaml_source import load_yaml
from jobctl.spec.yaml_write import dump, flow
from tests.conftest import WEIRD_NAME
from tests.spec.templates import with_value

# Every place where an expression can stand alone.
PLACES = """\
# {{ value }}
plain: {{ value }}
list:
  - {{ value }}
  - before
  - {key: {{ value }}, after: 1}   # {{ value }}
flow: [{{ value }}, {{ value }},{{ value }}]
tight: {"key":{{ value }}}
{% for item in [value, "x"] %}
{{ "item %d" | format(loop.index) }}: [{{ item }}]
{% endfor %}
joined: {{ [value] }}
last: 1
"""

CONTROLS = "".join(map(chr, [*range(1, 32), *range(0x7F, 0xA1), 0xAD]))
MORE = "\u2028\u2029\u200e\u202e\ufeff\ufdd0\ufffe\uffff\U0001f600\U000e0001\U0010ffff中文é"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=8)

YAML_TRAPS = [
    "", " ", "~", "null", "true", "yes", "on", "1", "1e3", "0o7", "0x1f", "12:30", "2026-11-23", ".inf", "=", "<<",
    "- a", "a: b", "a #b", "#", "'", '"', "\\", "[", "]", "{", "}", ",", "{{ x }}", "{% raw %}", "${X}",
    "$(touch pwned)", "`x`", "!tag", "&a", "*a", "%YAML", "@x", "|", ">", "?", "---", "...", "\r\n",
    "a\n\nb", '"@0@"', "é" * 2000,
]  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Equal, of equal types, and NaN is NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def expected(value: Any) -> dict[str, Any]:
    return {
        "plain": value,
        "list": [value, "before", {"key": value, "after": 1}],
        "flow": [value, value, value],
        "tight": {"key": value},
        "item 1": [value],
        "item 2": ["x"],
        "joined": [value],
        "last": 1,
    }


TEMPLATE = with_value("any", PLACES)


def check(value: Any) -> None:
    config = load_config("template: small", "config.yaml").model_copy(update={"values": {"value": value}})
    text = render(TEMPLATE, config)
    assert same(load_yaml(text, "rendered").data, expected(value))
    assert text.count("\n") == PLACES.count("\n") - 1  # no value brings a line of its own


@given(values)
@example(CONTROLS)
@example(MORE)
@example({CONTROLS: MORE, MORE: CONTROLS})
@example(WEIRD_NAME)
@example([float("inf"), float("-inf"), float("nan"), 1e-5, 1e300, -0.0])
def test_any_value_comes_back_and_nothing_else_changes(value: Any) -> None:
    check(value)


@pytest.mark.parametrize("value", YAML_TRAPS)
def test_text_that_means_something_in_yaml_stays_text(value: str) -> None:
    check(value)
    check({value: [value]})


@given(values)
def test_what_is_written_means_the_same_to_a_yaml_1_1_reader(value: Any) -> None:
    assert same(yaml.safe_load(flow(value)), value)


@given(values)
@example("1e-4")
@example({"0o17": "0o17"})
def test_a_dumped_document_reads_back(value: Any) -> None:
    assert same(load_yaml(dump(value), "dumped").data, value)


@settings(max_examples=30)
@given(st.dictionaries(texts, values, max_size=4))
def test_a_config_can_hold_any_value(value: dict[str, Any]) -> None:
    assert same(load_config(f"template: small\nvalues: {flow(value)}", "config.yaml").values, value)
