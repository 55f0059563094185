from __future__ import annotations

from dataclasses import asdict
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
    from jobctl.api import Item

_LARGEST = 3


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
        _show(item)


def _show(item: Item) -> None:
    show.text(f"{item.verb:>8}  {item.what}{_amount(item.files, item.size_bytes)}")
    lines = item.detail.splitlines()
    if item.largest:
        lines.append("largest: " + ", ".join(f"{path} {show.size(size)}" for path, size in item.largest[:_LARGEST]))
    for row in item.left_out:
        named = ", ".join(row.paths)
        more = ", ..." if row.files and row.files > len(row.paths) and named else ""
        lines.append(f"left out: {row.reason}{_amount(row.files, row.size_bytes)}{': ' if named else ''}{named}{more}")
    lines += [f"warning: {warning}" for warning in item.warnings]
    for line in lines:
        show.text(f"{'':>8}    {line}")


def _amount(files: int | None, size_bytes: int | None) -> str:
    words = [f"{files} file{'' if files == 1 else 's'}"] if files is not None else []
    words += [show.size(size_bytes)] if size_bytes is not None else []
    return f"  ({', '.join(words)})" if words else ""
