from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from jobctl.cli import show
from jobctl.cli.options import hosts_argument, inventory_option, json_option, set_option

if TYPE_CHECKING:
    from jobctl.api import Check, Examined


@click.command("doctor")
@hosts_argument
@inventory_option
@click.option("--config", metavar="CONFIG", type=click.Path(), help="Examine them for what this config wants.")
@set_option
@click.option("--deep", is_flag=True, help="Run Paddle's own check there, in the config's environment.")
@click.option("--all", "everything", is_flag=True, help="Also show the checks that are ok or do not apply.")
@json_option
def main(
    hosts: tuple[str, ...],
    inventory: str,
    config: str | None,
    sets: tuple[str, ...],
    deep: bool,
    everything: bool,
    as_json: bool,
) -> int:
    """Can these hosts run it? Every check that is not ok, with its remedy. Without HOST: all of the inventory."""
    from jobctl import api

    with show.Teller() as teller:
        found = api.doctor(inventory, hosts, config=config, sets=sets, deep=deep, listener=teller)
    if as_json:
        show.as_json("doctor", {"hosts": [asdict(examined) for examined in found]})
    else:
        for examined in found:
            _show(examined, everything)
    return 3 if any(examined.failed for examined in found) else 0


def _show(examined: Examined, everything: bool) -> None:
    counts = [
        f"{number} {verdict}"
        for verdict in ("failed", "warning", "unknown", "ok", "skipped")
        if (number := sum(check.verdict == verdict for check in examined.checks))
    ]
    show.text(f"{examined.host}: {', '.join(counts)}")
    for check in examined.checks:
        if everything or check.verdict not in ("ok", "skipped"):
            _show_check(check, examined.host)


def _show_check(check: Check, host: str) -> None:
    below = " " * 26
    show.text(f"  {show.verdict(check.verdict)} {check.name:<14} {check.found}")
    if check.wanted:
        show.text(f"{below}wanted: {check.wanted}")
    if check.remedy:
        show.text(f"{below}{'next' if check.remedy_is_here else f'next, on {host}'}: {check.remedy}")
