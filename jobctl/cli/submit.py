from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jobctl.cli import show
from jobctl.cli.options import (
    config_argument,
    direct_option,
    hosts_option,
    inventory_option,
    json_option,
    limit_option,
    parse_cards,
    parse_rate,
    parse_wait,
    set_option,
)

if TYPE_CHECKING:
    from jobctl.api import Submitted


@click.command("submit")
@config_argument
@inventory_option
@hosts_option
@set_option
@click.option("--cards", metavar="LIST", help="These cards, such as 4-7 or 0,2,5,6; default: the first free ones.")
@click.option("--exclusive", is_flag=True, help="Nobody else gets a card of the host while it runs.")
@click.option("--wait", metavar="TIME", help="Wait for cards so long, such as 2h, 30m or 45s. Default: for ever.")
@click.option("--no-wait", is_flag=True, help="Fail at once, with who has them, where the cards are not free.")
@click.option("--upgrade", is_flag=True, help="The newest packages in place of those in the lock beside CONFIG.")
@click.option(
    "--bundle", metavar="FILE", type=click.Path(), help="Code, packages, downloads from this file of `bundle`."
)
@limit_option
@direct_option
@click.option("-f", "--follow", is_flag=True, help="Show the log (on standard error) until the run ends.")
@json_option
def main(
    config: str,
    inventory: str,
    hosts: tuple[str, ...],
    sets: tuple[str, ...],
    cards: str | None,
    exclusive: bool,
    wait: str | None,
    no_wait: bool,
    upgrade: bool,
    bundle: str | None,
    limit_rate: str | None,
    direct: bool,
    follow: bool,
    as_json: bool,
) -> int:
    """Send the job of CONFIG to a host and start it. Prints the run's id, alone, on standard output.

    Given --host several times it starts a run on each of them, and prints a line for each.

    When it returns, the run belongs to the host: this machine may sleep, roam or be switched off. A submit that was cut
    can be given again: it never starts a second run.
    """
    from jobctl import api

    with ExitStack() as stack:
        teller = stack.enter_context(show.Teller())
        if follow:
            stack.enter_context(api.keep_open())
        wish: dict[str, Any] = {
            "sets": sets,
            "cards": parse_cards(cards),
            "exclusive": exclusive,
            "wait_s": parse_wait(wait, no_wait),
            "upgrade": upgrade,
            "bundle": bundle,
            "limit_bytes_s": parse_rate(limit_rate),
            "listener": teller,
            "announce": partial(_announce, as_json=as_json, several=len(hosts) > 1, teller=teller),
        }
        if len(hosts) > 1:
            return _submit_each(
                config, inventory, hosts, wish, direct=direct, follow=follow, as_json=as_json, teller=teller
            )
        submitted = api.submit(config, inventory, host=hosts[0] if hosts else None, **wish)
        if not follow:
            return 0
        from jobctl.cli.logs import Wish, follow_run

        return follow_run(submitted.run_id, Wish(), to_stderr=True)


def _announce(submitted: Submitted, *, as_json: bool, several: bool, teller: show.Teller) -> None:
    if submitted.again:
        teller.note("an earlier submit of this was cut; this is its run")
    if several:
        teller.note(f"{submitted.run_id} is on {submitted.host}")
    if as_json:
        show.as_json("submit", asdict(submitted))
    else:
        show.text(submitted.run_id)
    sys.stdout.flush()


def _submit_each(
    config: str,
    inventory: str,
    hosts: tuple[str, ...],
    wish: dict[str, Any],
    *,
    direct: bool,
    follow: bool,
    as_json: bool,
    teller: show.Teller,
) -> int:
    from jobctl import api

    if follow:
        raise click.BadParameter("one run can be followed, not one of each host", param_hint="--follow")
    if wish.pop("limit_bytes_s") is not None:
        raise click.BadParameter("the way to one host can be limited, not that to several", param_hint="--limit-rate")
    errors = api.submit_each(config, inventory, hosts=hosts, direct=direct, **wish)
    for name, error in errors.items():
        teller.note(f"error: {name}: {error}")
        if as_json:
            show.json_error("submit", error)
    return max((error.exit_code for error in errors.values()), default=0)
