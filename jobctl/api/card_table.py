"""The cards of all hosts of an inventory, and saved outputs of npu-smi."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jobctl.api import prepare
from jobctl.api.listener import Listener, Silent
from jobctl.ascend.card_table import CardRow, HostCards, make_host_cards, used_memory
from jobctl.ascend.card_table import as_data as host_data
from jobctl.ascend.smi_report import as_data as smi_data
from jobctl.ascend.smi_report import read_report
from jobctl.errors import InputError, JobctlError
from jobctl.remote.answers import Answer
from jobctl.remote.connect import connect
from jobctl.remote.fanout import ask_each, in_order
from jobctl.spec.inventory import Host

__all__ = ["CardRow", "CardTable", "HostCards", "cards", "host_names", "read_smi", "used_memory"]

_LARGEST_BYTES = 16 << 20


@dataclass(frozen=True)
class CardTable:
    """Hosts in the inventory's order. `errors`: hosts that could not be asked."""

    hosts: dict[str, HostCards]
    errors: dict[str, JobctlError]

    def as_data(self) -> dict[str, Any]:
        """The JSON of `jobctl cards`."""
        return {
            "hosts": {name: host_data(found) for name, found in self.hosts.items()},
            "errors": {name: error.as_dict() for name, error in self.errors.items()},
        }


def cards(inventory: str, names: Sequence[str] = (), *, listener: Listener | None = None) -> CardTable:
    """Ask the hosts `names` (none: all) at the same time, once each. Raises InputError; a silent host
    stops no other."""
    tell = listener or Silent()
    hosts = [prepare.load_host(inventory, name) for name in names] if names else prepare.load_hosts(inventory)
    tell.note(f"asking {', '.join(host.name for host in hosts)}")
    outcomes = in_order(ask_each(hosts, partial(_ask, alone=len(hosts) == 1)))
    return CardTable(
        {outcome.item.name: outcome.answer for outcome in outcomes if outcome.answer is not None},
        {outcome.item.name: outcome.error for outcome in outcomes if outcome.error is not None},
    )


def host_names(inventory: str) -> list[str]:
    """The hosts of an inventory, in its order. Raises InputError."""
    return [host.name for host in prepare.load_hosts(inventory)]


def _ask(host: Host, alone: bool) -> HostCards:
    with connect(host, ask=alone) as channel:
        reply = channel.call("cards", lease_dir=host.lease_dir)
        return make_host_cards(Answer(channel.host, reply.header).card_report())


def read_smi(name: str) -> dict[str, Any]:
    """What a saved output of `npu-smi info ...` says; `-` is standard input. Raises InputError."""
    try:
        data = sys.stdin.buffer.read(_LARGEST_BYTES) if name == "-" else _read(Path(name))
    except OSError as error:
        raise InputError(f"cannot read the saved output: {error.strerror}", value=name) from None
    return smi_data(read_report(data.decode("utf-8", "replace")))


def _read(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(_LARGEST_BYTES)
