"""gc: what nobody needs any more on the hosts of an inventory, shown or removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobctl.api import prepare
from jobctl.api.listener import Listener, Silent
from jobctl.api.locking import held_packages
from jobctl.errors import InputError, JobctlError
from jobctl.laptop.records import Records
from jobctl.remote.answers import Answer
from jobctl.remote.connect import connect
from jobctl.remote.fanout import ask_each
from jobctl.spec.inventory import Host

_UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@dataclass(frozen=True)
class Tidied:
    """One thing below a host's work_dir. `remove`: it goes, or has gone with `delete`; else it stays. `why`: either's
    reason. `error`: it was to go and could not.
    """

    host: str
    kind: str
    name: str
    count: int
    size_bytes: int
    age_s: float | None
    remove: bool
    why: str
    error: str | None


@dataclass(frozen=True)
class Tidying:
    """`items` of all hosts that answered; `errors`: hosts that could not be asked."""

    items: tuple[Tidied, ...]
    deleted: bool
    errors: dict[str, JobctlError]


def gc(
    inventory: str,
    *,
    host: str | None = None,
    older_than: str = "30d",
    delete: bool = False,
    unpulled: bool = False,
    datasets: bool = False,
    listener: Listener | None = None,
    announce: Callable[[Sequence[Tidied]], None] = lambda items: None,
    records: Records | None = None,
) -> Tidying:
    """What could go on the hosts, and with `delete` goes. Raises InputError; a silent host stops no other.

    `older_than`: such as 12h, 30d, 4w. `unpulled`: also runs whose results were not pulled. `datasets`: also datasets
    that no run needs. An environment stays as long as the lock of a config that was submitted from here uses it.
    `announce` hears what is on each host as it answers.
    """
    tell = listener or Silent()
    older_than_s = parse_age(older_than)
    hosts = [prepare.load_host(inventory, host)] if host else prepare.load_hosts(inventory)
    items: list[Tidied] = []
    errors: dict[str, JobctlError] = {}
    tell.note(f"{'clearing up' if delete else 'looking through'} {', '.join(target.name for target in hosts)}")
    held = held_packages(records or Records())
    ask = partial(_ask, older_than_s=older_than_s, delete=delete, unpulled=unpulled, datasets=datasets, held=held)
    for outcome in ask_each(hosts, ask):
        if outcome.error:
            errors[outcome.item.name] = outcome.error
            continue
        announce(outcome.value)
        items += outcome.value
    return Tidying(tuple(items), delete, errors)


def _ask(
    target: Host, *, older_than_s: float, delete: bool, unpulled: bool, datasets: bool, held: list[str]
) -> list[Tidied]:
    found: list[Tidied] = []
    wanted: dict[str, Any] = {
        "older_than_s": older_than_s,
        "delete": delete,
        "unpulled": unpulled,
        "datasets": datasets,
        "packages": held,
    }
    with connect(target) as channel, channel.exchange("gc", **wanted) as exchange:
        for header, _ in exchange:
            found += [Tidied(target.name, **row) for row in Answer(channel.host, header).tidied()]
    return found


def parse_age(text: str) -> float:
    """`12h`, `30d` as seconds. Raises InputError."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([mhdw])", text.strip())
    if not match:
        raise InputError("not an age: a number and m, h, d or w, such as 12h or 30d", where="--older-than", value=text)
    return float(match[1]) * _UNITS_S[match[2]]
