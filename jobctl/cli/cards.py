from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobctl.cli import show
from jobctl.cli.options import complete_host, json_option
from jobctl.errors import InputError

if TYPE_CHECKING:
    from jobctl.api import CardRow, HostCards


@click.command("cards")
@click.argument("hosts", metavar="[HOST...]", nargs=-1, shell_complete=complete_host)
@click.option(
    "-i",
    "--inventory",
    envvar="JOBCTL_INVENTORY",
    type=click.Path(),
    help="The hosts (YAML). JOBCTL_INVENTORY names it too.",
)
@click.option(
    "--parse",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Show what is read from a saved output of npu-smi instead; - is stdin.",
)
@json_option
def main(hosts: tuple[str, ...], inventory: str | None, parse: str | None, as_json: bool) -> int:
    """Show every card of the hosts: health, memory, load, who holds it, free since when.

    What npu-smi does not tell is shown as unknown.
    """
    from jobctl import api

    if parse is not None:
        if hosts:
            raise InputError("--parse reads a file, and no host is asked", value=" ".join(hosts))
        _show_parsed(api.read_smi(parse), as_json)
        return 0
    if inventory is None:
        raise InputError(
            "Missing option '-i' / '--inventory'.",
            hint="-i inventories/lab.yaml, or once: export JOBCTL_INVENTORY=inventories/lab.yaml",
            next_command="jobctl cards --help",
        )
    with show.Teller() as teller:
        found = api.cards(inventory, hosts, listener=teller)
    if as_json:
        show.as_json("cards", found.as_data())
    elif found.hosts:
        show.table(_HEAD, [row for name, host in found.hosts.items() for row in _rows(name, host)])
    for name, host in found.hosts.items():
        for warning in host.warnings:
            teller.note(f"{name}: {warning}")
    for name, error in found.errors.items():
        teller.note(f"error: {name}: {error}")
    return 3 if found.errors else 0


_HEAD = ("HOST", "CARD", "NAME", "HEALTH", "MEMORY", "LOAD", "HOLDER", "SINCE")
_UNKNOWN = "unknown"


def _rows(host: str, found: HostCards) -> list[tuple[str, ...]]:
    rows = [_row(host, row, found.at) for row in found.cards or ()]
    if found.unknown is not None:
        seen = "device files only" if rows else _UNKNOWN
        rows.append((host, "", seen, "", "", "", f"{_UNKNOWN}: {found.unknown}", ""))
    return rows


def _row(host: str, row: CardRow, at: float) -> tuple[str, ...]:
    from jobctl.api import used_memory

    card = row.card
    number = _UNKNOWN if card.npu is None else str(card.npu)
    if card.chip:
        number += f".{card.chip}"
    used, total = used_memory(card)
    memory = _UNKNOWN if total is None else f"{_UNKNOWN if used is None else used} / {total} MB"
    load = _UNKNOWN if card.aicore_percent is None else f"{card.aicore_percent} %"
    name, health = card.name or _UNKNOWN, card.health or _UNKNOWN
    return host, number, name, health, memory, load, _holder(row), _since(row, at)


def _holder(row: CardRow) -> str:
    pids = ", ".join(str(one.pid) for one in row.processes)
    if row.holder == "held":
        who = " of ".join(word for word in (row.run_id or "a run", row.by) if word)
        return f"{who} (pid {pids})" if pids else who
    if row.holder == "foreign":
        users = ", ".join(dict.fromkeys(one.user or "user unknown" for one in row.processes))
        names = ", ".join(dict.fromkeys(one.name for one in row.processes if one.name))
        return f"not of jobctl: {users}, pid {pids}" + (f" ({names})" if names else "")
    return row.holder


def _since(row: CardRow, at: float) -> str:
    if row.since is not None:
        return show.duration(at - row.since)
    if row.free_since is not None:
        return f"free for {show.duration(at - row.free_since)}"
    return _UNKNOWN


def _show_parsed(data: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.as_json("cards", data)
        return
    show.text(f"npu-smi info: {data['kind']}; driver {data['driver'] or _UNKNOWN}")
    if data["error"]:
        show.text(f"error: {data['error']}")
    for warning in data["warnings"]:
        show.text(f"warning: {warning}")
    for title, rows in (("cards", data["cards"]), ("processes", data["processes"])):
        if rows is None:
            show.text(f"{title}: {_UNKNOWN}")
        elif not rows:
            show.text(f"{title}: none")
        else:
            names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
            show.table([name.upper() for name in names], [[_word(row[name]) for name in names] for row in rows])
    if not data["cards"]:
        for block in data["values"]:
            for key, value in block.items():
                show.text(f"{key}: {value}")


def _word(value: Any) -> str:
    return "-" if value is None else str(value)
