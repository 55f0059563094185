from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from jobctl.cli import show
from jobctl.cli.options import host_option, inventory_option, json_option

if TYPE_CHECKING:
    from jobctl.api.tidying import Tidied, Tidying


@click.command("gc")
@inventory_option
@host_option
@click.option("--older-than", metavar="AGE", default="30d", show_default=True, help="Such as 12h, 30d or 4w.")
@click.option("--delete", is_flag=True, help="Remove it. Without this nothing is changed.")
@click.option("--unpulled", is_flag=True, help="Also runs whose results were not pulled whole.")
@click.option("--datasets", is_flag=True, help="Also datasets that no run needs.")
@json_option
def main(
    inventory: str, host: str | None, older_than: str, delete: bool, unpulled: bool, datasets: bool, as_json: bool
) -> int:
    """Show what nobody needs any more below the hosts' work_dir, and with --delete remove it.

    What a run that is not over needs stays, and so does what was not pulled.
    """
    from jobctl import api

    table = show.GrowingTable(("HOST", "", "WHAT", "COUNT", "SIZE", "AGE", "WHY"))

    def announce(items: Sequence[Tidied]) -> None:
        if not as_json:
            table.add([_row(item, delete) for item in sorted(items, key=lambda item: not item.remove)])

    with show.Teller() as teller:
        found = api.gc(
            inventory,
            host=host,
            older_than=older_than,
            delete=delete,
            unpulled=unpulled,
            datasets=datasets,
            listener=teller,
            announce=announce,
        )
    if as_json:
        show.as_json("gc", _as_data(found))
    else:
        _sum_up(found)
    for error in found.errors.values():
        teller.note(f"error: {error}")
    return 3 if found.errors or any(item.error for item in found.items) else 0


def _as_data(found: Tidying) -> dict[str, object]:
    return {
        "deleted": found.deleted,
        "items": [asdict(item) for item in found.items],
        "errors": {name: error.as_dict() for name, error in found.errors.items()},
    }


def _sum_up(found: Tidying) -> None:
    going = [item for item in found.items if item.remove and not item.error]
    size = show.size(sum(item.size_bytes for item in going))
    if found.deleted:
        show.text(f"{size} removed")
    elif going:
        show.text(f"{size} could be removed; nothing was. --delete does it")
    elif found.items or not found.errors:
        show.text("nothing to remove")


def _row(item: Tidied, deleted: bool) -> tuple[str, ...]:
    word = "failed" if item.error else "keep" if not item.remove else "removed" if deleted else "remove"
    count = str(item.count) if item.count != 1 else ""
    why = item.error or item.why
    return (item.host, word, item.name, count, show.size(item.size_bytes), show.duration(item.age_s), why)
