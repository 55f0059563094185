"""The documentation keeps up with the code: all of it is in the reference, and what is quoted is there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from jobctl.cli import COMMANDS, cli
from jobctl.spec.container import Container
from jobctl.spec.inventory import HostFields
from jobctl.spec.job import Artifact, Code, Data, Environment, Job, Stage, Step
from tests.docs.pages import PAGES, ROOT, anchors, links, sections

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / target).resolve() for target in links(index)}
    assert [page for page in PAGES if page.is_relative_to(index.parent) and page not in {*named, index}] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_section_with_every_option(name: str) -> None:
    text = sections(REFERENCE / "cli.md")[name]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for param in command.params:
        if isinstance(param, click.Option):
            assert all(f"{option}" in text for option in param.opts), param.opts
        elif param.metavar or param.name:
            assert (param.metavar or param.name or "").upper() in text


@pytest.mark.parametrize("template", ["deeplabv3p", "launch"])
def test_every_value_of_a_template_is_in_its_table(template: str) -> None:
    declared = yaml.safe_load((ROOT / "templates" / template / "template.yaml").read_text(encoding="utf-8"))["values"]
    text = sections(REFERENCE / "config-and-templates.md")[f"Values of `{template}`"]
    assert [name for name in declared if f"`{name}`" not in text] == []


def test_every_field_of_the_inventory_is_in_its_table() -> None:
    text = (REFERENCE / "inventory.md").read_text(encoding="utf-8")
    names = [*HostFields.model_fields, *Container.model_fields]
    assert [name for name in names if f"\n| `{name}`" not in text] == []


def test_every_field_of_a_job_is_in_the_reference() -> None:
    text = (REFERENCE / "config-and-templates.md").read_text(encoding="utf-8")
    models = (Job, Code, Data, Environment, Stage, Step, Artifact)
    assert [name for model in models for name in model.model_fields if f"`{name}`" not in text] == []


@cache
def sources() -> str:
    """All texts that a user can see come from here."""
    files = [*(ROOT / "jobctl").rglob("*.py"), *(ROOT / "templates").rglob("*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return re.sub(r"\"\s*\n\s*(?:f|rf)?\"", "", text)  # literals that go on in the next line


def quoted_messages() -> list[str]:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


@pytest.mark.parametrize("message", quoted_messages())
def test_a_message_that_is_explained_is_one_that_the_code_has(message: str) -> None:
    pieces = [piece.strip(" ,'") for piece in message.split("...") if len(piece.strip(" ,'")) > 3]
    assert pieces
    for piece in pieces:
        assert piece in sources(), piece


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_no_longer_than_120_outside_of_tables(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    long = [
        line for line in lines if len(line) > 120 and not line.startswith(("|", "      hint:", "$ ", "[tutorial]: "))
    ]
    assert long == []
