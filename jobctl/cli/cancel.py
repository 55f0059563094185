from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import json_option, run_argument


@click.command("cancel")
@run_argument
@click.option(
    "--grace",
    "grace_s",
    default=10.0,
    show_default=True,
    help="Seconds between asking processes to end and killing them.",
)
@json_option
def main(run: str | None, grace_s: float, as_json: bool) -> None:
    """End RUN and every process of it on the host; nothing else there is touched.

    Without RUN: the only run that has not ended.
    """
    from jobctl import api

    with show.Teller() as teller:
        view = api.cancel(run, grace_s=grace_s, listener=teller)
    if as_json:
        show.as_json("cancel", view.status)
    else:
        ended_before = view.status["state"] != "CANCELLED"
        note = " (it had ended before; nothing was cancelled)" if ended_before else ""
        show.text(f"{view.record.run_id}: {view.status['state']}{note}")
