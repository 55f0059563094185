from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from jobctl.cli import show
from jobctl.cli.options import (
    config_argument,
    host_option,
    inventory_option,
    json_option,
    parse_cards,
    parse_wait,
    set_option,
)

if TYPE_CHECKING:
    from jobctl.api import Submitted


@click.command("submit")
@config_argument
@inventory_option
@host_option
@set_option
@click.option("--cards", metavar="LIST", help="These cards, such as 4-7 or 0,2,5,6; default: the first free ones.")
@click.option("--exclusive", is_flag=True, help="Nobody else gets a card of the host while it runs.")
@click.option("--wait", metavar="TIME", help="Wait for cards so long, such as 2h, 30m or 45s. Default: for ever.")
@click.option("--no-wait", is_flag=True, help="Fail at once, with who has them, where the cards are not free.")
@click.option("--upgrade", is_flag=True, help="The newest packages in place of those in the lock beside CONFIG.")
@click.option(
    "--bundle", metavar="FILE", type=click.Path(), help="Code, packages, downloads from this file of `bundle`."
)
@click.option("-f", "--follow", is_flag=True, help="Show the log (on standard error) until the run ends.")
@json_option
def main(
    config: str,
    inventory: str,
    host: str | None,
    sets: tuple[str, ...],
    cards: str | None,
    exclusive: bool,
    wait: str | None,
    no_wait: bool,
    upgrade: bool,
    bundle: str | None,
    follow: bool,
    as_json: bool,
) -> int:
    """Send the job of CONFIG to a host and start it. Prints the run's id, alone, on standard output.

    When it returns, the run belongs to the host: this machine may sleep, roam or be switched off. A submit that was cut
    can be given again: it never starts a second run.
    """
    from jobctl import api

    with show.Teller() as teller:

        def announce(submitted: Submitted) -> None:
            if submitted.again:
                teller.note("an earlier submit of this was cut; this is its run")
            if as_json:
                show.as_json("submit", asdict(submitted))
            else:
                show.text(submitted.run_id)
            sys.stdout.flush()

        submitted = api.submit(
            config,
            inventory,
            host=host,
            sets=sets,
            cards=parse_cards(cards),
            exclusive=exclusive,
            wait_s=parse_wait(wait, no_wait),
            upgrade=upgrade,
            bundle=bundle,
            listener=teller,
            announce=announce,
        )
    if not follow:
        return 0
    from jobctl.cli.logs import follow_run

    return follow_run(submitted.run_id, to_stderr=True)
