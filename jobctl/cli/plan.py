from __future__ import annotations

from dataclasses import asdict

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


@click.command("plan")
@config_argument
@inventory_option
@hosts_option
@set_option
@direct_option
@json_option
def main(
    config: str, inventory: str, hosts: tuple[str, ...], sets: tuple[str, ...], direct: bool, as_json: bool
) -> None:
    """Show the steps that `submit` would take: commands, files, bytes, cards. Changes nothing, connects to nothing."""
    from jobctl import api

    job, items = api.plan(
        config, inventory, host=hosts[0] if hosts else None, more_hosts=hosts[1:], sets=sets, direct=direct
    )
    if as_json:
        return show.as_json("plan", {"job": job.model_dump(mode="json"), "steps": [asdict(item) for item in items]})
    for item in items:
        amount = []
        if item.files is not None:
            amount.append(f"{item.files} files")
        if item.size_bytes is not None:
            amount.append(show.size(item.size_bytes))
        head = f"{item.verb:>8}  {item.what}" + (f"  ({', '.join(amount)})" if amount else "")
        show.text(head)
        for line in item.detail.splitlines():
            show.text(f"{'':>8}    {line}")
