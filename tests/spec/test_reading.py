"""How YAML is read, and what becomes of inventories, configs and `--set`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobctl.errors import ConfigError, InputError, RenderedJobError
from jobctl.spec.config import apply_overrides, load_config, parse_set
from jobctl.spec.container import size_bytes
from jobctl.spec.inventory import load_inventory, pick_host
from jobctl.spec.job import Job
from jobctl.spec.template import make_job, render
from jobctl.spec.validate import validate
from jobctl.spec.yaml_source import load_yaml
from tests.conftest import WEIRD_NAME
from tests.spec.templates import make_template, with_value

INVENTORIES = Path(__file__).parents[2] / "inventories"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-4", 1e-4),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("-.inf", float("-inf")),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("off", "off"),
        ("12:30:00", "12:30:00"),
        ("2026-11-23", "2026-11-23"),
        ("", None),
        ("~", None),
        ("!!str 5", "5"),
        ("=", "="),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: object) -> None:
    assert load_yaml(f"key: {written}", "x").data == {"key": value}


def test_every_field_has_the_place_where_it_was_written() -> None:
    document = load_yaml("a:\n  - b: 1\n    'c d': [2, 3]\n", "file.yaml")
    assert document.where(("a", 0, "c d", 1)) == "file.yaml:3:16 (a[0].c d[1])"
    assert document.where(("a", 0, "not there")) == "file.yaml:2:5 (a[0].not there)"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert load_yaml("\ufeffa: 1", "x").data == {"a": 1}


def test_thousands_of_brackets_are_an_error_and_not_a_crash() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_yaml("[" * 2000, "x")


def test_defaults_hold_for_hosts_that_do_not_say_otherwise() -> None:
    text = "defaults: {user: alice, port: 22}\nhosts:\n  a: {}\n  b: {user: bob, address: 10.0.0.1}\n  c:\n"
    hosts = load_inventory(text, "x").hosts
    assert [(host.name, host.user, host.port, host.address) for host in hosts.values()] == [
        ("a", "alice", 22, "a"),
        ("b", "bob", 22, "10.0.0.1"),
        ("c", "alice", 22, "c"),
    ]


def test_what_is_not_written_is_left_to_ssh() -> None:
    host = pick_host(load_inventory("hosts: {a: }", "x"), None)
    assert (host.port, host.user, host.identity_file, host.proxy_jump) == (None, None, None, None)


def test_weird_paths_in_an_inventory_stay_as_they_are() -> None:
    quoted = f"/data/{WEIRD_NAME}".replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    host = pick_host(load_inventory(f'hosts: {{a: {{work_dir: "{quoted}"}}}}', "x"), "a")
    assert host.work_dir == f"/data/{WEIRD_NAME}"


def test_an_unknown_host_is_answered_with_the_one_that_was_meant() -> None:
    inventory = load_inventory("hosts: {lab-a: , lab-b: }", "lab.yaml")
    with pytest.raises(InputError, match="did you mean 'lab-a'"):
        pick_host(inventory, "laba")
    with pytest.raises(InputError, match="hosts: lab-a, lab-b"):
        pick_host(inventory, "something else")
    with pytest.raises(InputError, match=r"2 hosts and none was chosen(.|\n)*lab-a, lab-b"):
        pick_host(inventory, None)


@pytest.mark.parametrize("path", sorted(INVENTORIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_inventories_are_valid(path: Path) -> None:
    assert load_inventory(path.read_text(), path.name).hosts


def test_the_lab_example_has_two_hosts_a_bastion_and_a_container() -> None:
    hosts = load_inventory((INVENTORIES / "lab.yaml").read_text(), "lab.yaml").hosts
    assert [(host.runtime, host.proxy_jump) for host in hosts.values()] == [
        ("bare", "alice@bastion.example.org"),
        ("docker", "alice@bastion.example.org"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("iters=1000", ("iters",), 1000),
        ("lr=1e-3", ("lr",), 0.001),
        ("data.path=/a b", ("data", "path"), "/a b"),
        ("flags=[--amp, 2]", ("flags",), ["--amp", 2]),
        ("note=", ("note",), ""),
        ("note=a=b", ("note",), "a=b"),
        ("note=null", ("note",), None),
        ("note=中文", ("note",), "中文"),
    ],
)
def test_set_reads_its_value_as_yaml(text: str, path: tuple[str, ...], value: object) -> None:
    assert parse_set(text) == (path, value)


@pytest.mark.parametrize("text", ["iters", "=5", ".a=1", "a..b=1", "note=a: b: c", "note=[1", "note=@x"])
def test_a_set_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--set"):
        parse_set(text)


def test_set_wins_over_the_config_and_the_config_over_the_default() -> None:
    template = with_value("map", "a: {{ value }}")
    config = load_config("template: small\nvalues: {value: {a: 1, b: {c: 2}}}", "x")
    config = apply_overrides(config, [parse_set("value.b.c=3"), parse_set("value.d=x"), parse_set("value.b.c=4")])
    assert load_yaml(render(template, config), "x").data == {"a": {"a": 1, "b": {"c": 4}, "d": "x"}}
    assert config.values == {"value": {"a": 1, "b": {"c": 2}}}


def test_set_changes_one_key_of_a_default() -> None:
    template = make_template("description: x\nvalues: {code: {type: map, default: {git: u, ref: r}}}", "a: {{ code }}")
    config = apply_overrides(load_config("template: small", "x"), [parse_set("code.ref=main")])
    assert load_yaml(render(template, config), "x").data == {"a": {"git": "u", "ref": "main"}}


@pytest.mark.parametrize(
    ("text", "told"),
    [("valeu=1", "did you mean 'value'"), ("value=many", "expected a whole number"), ("value.a=1", "is not a mapping")],
)
def test_a_set_that_does_not_fit_the_template_is_named(text: str, told: str) -> None:
    config = load_config("template: small\nvalues: {value: 1}", "x")
    with pytest.raises(InputError, match=f"--set {text.partition('=')[0]}(.|\n)*{told}"):
        render(with_value("integer", "a: {{ value }}"), apply_overrides(config, [parse_set(text)]))


def test_the_command_that_shows_a_wrong_job_repeats_what_was_set() -> None:
    config = load_config("template: small\nvalues: {value: 1}", "my configs/a.yaml")
    config = apply_overrides(config, [parse_set("value=2")])
    with pytest.raises(RenderedJobError) as caught:
        make_job(with_value("integer", "cards: {{ value }}\n"), config)
    assert caught.value.next_command == "jobctl render 'my configs/a.yaml' --set value=2"
    assert caught.value.text == "cards: 2\n"


def test_a_job_has_the_name_of_its_config_else_of_its_template() -> None:
    template = make_template("description: x")
    assert make_job(template, load_config("template: small", "x")).name == "small"
    assert make_job(template, load_config("template: small\nname: night-3", "x")).name == "night-3"


def test_templates_may_include_parts_and_loop_and_call() -> None:
    job = """\
{% macro step(script) %}- argv: [{{ script }}, {{ caller() }}]
{% endmacro %}
steps:
{% for script in value %}
  {% call step(script) %}x: {{ script }}{% endcall %}
{% endfor %}
{% include "part.j2" %}
{% set joined %}a-{{ value[0] }}{% endset %}
joined: {{ joined }}
"""
    declaration = "description: x\nvalues: {value: {type: list, required: true}}"
    template = make_template(declaration, job, {"part.j2": b"part: {{ value[0] }}\n"})
    text = render(template, load_config("template: small\nvalues: {value: ['a: b', '# c']}", "x"))
    data = load_yaml(text, "x").data
    assert data["part"] == "a: b"
    assert [step["argv"][0] for step in data["steps"]] == ["a: b", "# c"]
    assert data["joined"] == 'a-"a: b"'


def test_what_globs_and_regexes_mean_can_be_escaped() -> None:
    template = with_value("string", "glob: {{ value | glob_escape }}\nregex: {{ value | regex_escape }}")
    text = render(template, load_config("template: small\nvalues: {value: 'a[1]*.b'}", "x"))
    assert load_yaml(text, "x").data == {"glob": "a[[]1][*].b", "regex": r"a\[1\]\*\.b"}


def test_helpers_are_the_files_that_are_neither_declaration_nor_template() -> None:
    files = {"check.py": b"\xff\x00", "sub/more.py": b"", "part.j2": b""}
    template = make_template("description: x", files=files)
    assert set(template.helpers) == {"check.py", "sub/more.py"}


def test_paths_of_a_job_are_normal_and_numbers_of_an_argv_are_text() -> None:
    text = """\
name: x
device: npu
code: {path: "../my tree/"}
stages:
  - name: train
    steps: [{argv: [train.py, 3, 0.01, "", -1], cwd: "./a//b/", env: {N: 4}}]
    must_leave: ["./out//best/**"]
"""
    job = validate(Job, load_yaml(text, "x"))
    step = job.stages[0].steps[0]
    assert (step.argv, step.cwd, step.env) == (("train.py", "3", "0.01", "", "-1"), "a/b", {"N": "4"})
    assert job.stages[0].must_leave == ("out/best/**",)
    assert job.code.path == "../my tree/"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("jobctl.spec.inventory", ["jinja2", "paramiko", "rich"]),
        ("jobctl.spec.config", ["jinja2"]),
        ("jobctl.spec.job", ["jinja2", "yaml"]),
    ],
)
def test_what_is_not_needed_is_not_imported(module: str, heavy: list[str]) -> None:
    script = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("text", "size"), [("128G", 128 << 30), ("64m", 64 << 20), ("5k", 5120), ("7b", 7), ("9", 9)])
def test_sizes_are_read_as_the_engines_read_them(text: str, size: int) -> None:
    assert size_bytes(text) == size
