from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import config_argument, json_option, set_option
from jobctl.errors import RenderedJobError


@click.command("render")
@config_argument
@set_option
@json_option
def main(config: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Show the job that CONFIG means: its YAML, and each stage's commands. Changes nothing.

    Where the template renders to something that is no job, the rendered text is shown with its line numbers.
    """
    from jobctl import api
    from jobctl.api.texts import job_text

    try:
        job = api.render(config, sets)
    except RenderedJobError as error:
        if not as_json:
            for number, line in enumerate(error.text.split("\n"), start=1):
                show.text(f"{number:>5} | {line}".rstrip())
        raise
    if as_json:
        show.as_json("render", job.model_dump(mode="json"))
    else:
        show.text(job_text(job))
