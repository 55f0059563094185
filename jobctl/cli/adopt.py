from __future__ import annotations

import click

from jobctl.cli import show
from jobctl.cli.options import host_option, inventory_option, json_option


@click.command("adopt")
@inventory_option
@host_option
@json_option
def main(inventory: str, host: str | None, as_json: bool) -> None:
    """Find runs on the hosts that this machine does not know; clear away submits that were cut before they started."""
    from jobctl import api

    adopted, cleared = api.adopt(inventory, host=host)
    if as_json:
        return show.as_json("adopt", {"adopted": [record.run_id for record in adopted], "cleared": cleared})
    for record in adopted:
        show.text(f"{record.run_id}  on {record.host_name}: {(record.status or {}).get('state', 'unknown')}")
    for run_id in cleared:
        show.text(f"{run_id}  had not started: cleared away")
    if not adopted and not cleared:
        show.text("nothing that this machine does not know")
