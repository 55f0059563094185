from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobctl.cli import show
from jobctl.cli.options import config_argument, host_option, json_option

if TYPE_CHECKING:
    from jobctl.api.locking import Resolution


@click.command("lock")
@config_argument
@click.option("--use", metavar="N", type=int, help="From now on this one: back to what worked before.")
@click.option("-i", "--inventory", type=click.Path(), help="Ask a host of it, too, what has worked there.")
@host_option
@json_option
def main(config: str, use: int | None, inventory: str | None, host: str | None, as_json: bool) -> None:
    """Show the resolutions in the lock of CONFIG: for which machine, which versions, what has worked with them.

    The lock is the file beside CONFIG with the ending .lock. `submit` writes it the first time and keeps to it from
    then on; `submit --upgrade` adds a resolution. Commit it: other laptops then install the same.
    """
    from jobctl import api

    with show.Teller() as teller:
        path, lock = api.lock(config, use=use, inventory=inventory, host=host, listener=teller)
    if as_json:
        return show.as_json("lock", {"path": str(path), **lock.model_dump(mode="json")})
    if not lock.resolutions:
        return show.text(f"{path}: nothing is pinned yet; the first submit does it")
    head = ("N", "USED", "MADE", "FOR", "PACKAGES", "WORKED")
    show.table(head, [_row(each) for each in lock.resolutions])


def _row(each: Resolution) -> tuple[str, ...]:
    main = [f"{name} {version}" for name, version in each.main.items()]
    rest = len(each.packages) - len(main)
    packages = ", ".join([*main, *([f"{rest} more" if main else f"{rest}"] if rest else [])])
    known = each.worked.model_dump(exclude_none=True)
    done = [name.replace("_", " ") + (f" {told}" if name == "training" else "") for name, told in known.items()]
    used = "yes" if each.current else ""
    return str(each.number), used, each.at, str(each.target), packages, ", ".join(done) or "not known"
