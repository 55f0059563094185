from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jobctl.cli import show
from jobctl.cli.options import host_option, inventory_option, json_option


@click.command("adopt")
@inventory_option
@host_option
@click.option("--by", metavar="USER", help="Only runs that USER submitted, or USER@LAPTOP.")
@json_option
def main(inventory: str, host: str | None, by: str | None, as_json: bool) -> int:
    """Find runs on the hosts that this machine does not know; clear away submits that were cut before they started.

    Records of this machine that are damaged or lost are written anew.
    """
    from jobctl import api

    def announce(found: Sequence[Any], cleared: Sequence[str]) -> None:
        if as_json:
            return
        for record in found:
            show.text(f"{record.run_id}  on {record.host_name}: {(record.status or {}).get('state', 'unknown')}")
        for run_id in cleared:
            show.text(f"{run_id}  had not started: cleared away")

    with show.Teller() as teller:
        result = api.adopt(inventory, host=host, by=by, listener=teller, announce=announce)
    if as_json:
        show.as_json(
            "adopt",
            {
                "adopted": [record.run_id for record in result.records],
                "cleared": list(result.cleared),
                "errors": {name: error.as_dict() for name, error in result.errors.items()},
            },
        )
    elif not result.records and not result.cleared:
        show.text("nothing that this machine does not know")
    for error in result.errors.values():
        teller.note(f"error: {error}")
    return 3 if result.errors else 0
