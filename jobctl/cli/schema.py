from __future__ import annotations

import json

import click

from jobctl.cli import show


@click.command("schema")
@click.argument("kind", type=click.Choice(["inventory", "config", "template", "job"]))
@click.option("--template", metavar="NAME", help="With config: the values of this template, with their types.")
def main(kind: str, template: str | None) -> None:
    """Print the JSON Schema of inventories, configs, templates or jobs. docs/schemas.md says how an editor uses it."""
    from jobctl.api.texts import schema

    show.text(json.dumps(schema(kind, template), ensure_ascii=False, indent=2))
