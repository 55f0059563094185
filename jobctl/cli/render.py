from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import config_argument, json_option, set_option


@click.command("render")
@config_argument
@set_option
@json_option
def main(config: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Show the job that CONFIG means: its YAML, and each stage's commands. Changes nothing."""
    from jobctl import api
    from jobctl.plan.commands import make_text

    job = api.render(config, sets)
    if as_json:
        show.as_json("render", job.model_dump(mode="json"))
    else:
        show.text(make_text(job))
