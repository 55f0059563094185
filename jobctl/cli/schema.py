from __future__ import annotations

import json

import click

from jobctl.cli import show


@click.command("schema")
@click.argument("kind", type=click.Choice(["inventory", "config", "template", "job"]))
def main(kind: str) -> None:
    """Print the JSON Schema of inventories, configs, templates or jobs. docs/schemas.md says how an editor uses it."""
    from jobctl.spec.schema import schemas

    show.text(json.dumps(schemas()[kind], ensure_ascii=False, indent=2))
