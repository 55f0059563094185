from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobctl.cli import show
from jobctl.cli.options import (
    config_argument,
    direct_option,
    hosts_option,
    inventory_option,
    json_option,
    set_option,
)

if TYPE_CHECKING:
    from jobctl.api import Delivery


@click.command("send")
@config_argument
@inventory_option
@hosts_option
@set_option
@direct_option
@json_option
def main(
    config: str, inventory: str, hosts: tuple[str, ...], sets: tuple[str, ...], direct: bool, as_json: bool
) -> int:
    """Bring the code and the data of CONFIG to hosts, all of the inventory or those named, and start nothing.

    What several hosts lack is sent once from here and passed on from host to host. A submit finds it there.
    """
    from jobctl import api

    def announce(delivery: Delivery) -> None:
        if as_json:
            return
        for tree, digest in delivery.trees.items():
            show.text(f"{delivery.host}  has {tree} {digest[:12]}")

    with show.Teller() as teller:
        deliveries = api.send(
            config, inventory, hosts=hosts, sets=sets, direct=direct, listener=teller, announce=announce
        )
    if as_json:
        show.as_json("send", [_as_data(delivery) for delivery in deliveries])
    errors = [delivery.error for delivery in deliveries if delivery.error]
    for delivery in deliveries:
        if delivery.error:
            teller.note(f"error: {delivery.host}: {delivery.error}")
    return max((error.exit_code for error in errors), default=0)


def _as_data(delivery: Delivery) -> dict[str, object]:
    return {
        "host": delivery.host,
        "trees": delivery.trees,
        "sent_bytes": delivery.size_bytes,
        "error": delivery.error.as_dict() if delivery.error else None,
    }
