from __future__ import annotations

import click

from jobctl.cli import show


@click.command("ui")
@click.option(
    "-i",
    "--inventory",
    envvar="JOBCTL_INVENTORY",
    type=click.Path(),
    help="Show the cards of these hosts (YAML) too. JOBCTL_INVENTORY names it as well.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="On 127.0.0.1. Default: one that is free.",
)
@click.option("--no-open", is_flag=True, help="Print the address, and start no browser.")
def main(inventory: str | None, port: int, no_open: bool) -> None:
    """Show runs, curves, cards and logs live in the browser, on this machine only. Ctrl-C ends it; the runs go on.

    The address holds a token: whoever has it, and an account on this machine, can cancel your runs.
    """
    from jobctl.ui.serve import serve

    with show.Teller() as teller:

        def ready(printed: str, once: str) -> None:
            show.text(printed)
            teller.note("ends with Ctrl-C; the runs go on")
            if not no_open and click.launch(once) != 0:
                teller.note("no browser could be started; open the address above")

        try:
            serve(inventory, port, ready)
        except KeyboardInterrupt:
            teller.note("ended; the runs go on")
