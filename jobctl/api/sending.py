"""Several hosts at a time: code and data to all of them, and a run on each.

What they all need is sent once from here, and passed on from host to host where that is quicker (`remote/relay.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from jobctl.api import prepare
from jobctl.api.listener import Listener, Silent
from jobctl.api.submit import Prepared, Submitted, read_inputs, submit
from jobctl.errors import InputError, JobctlError
from jobctl.laptop.tree_source import TreeSource
from jobctl.remote.channel import HostChannel
from jobctl.remote.connect import connect
from jobctl.remote.fanout import Outcome, ask_each, in_batches
from jobctl.remote.relay import Told, send_to_all
from jobctl.remote.sync import Sent
from jobctl.spec.inventory import Host

_QUIET_S = 3.0
"""Longer than for a table: hosts that come to a chain too late get the tree from it when it is there."""


@dataclass(frozen=True)
class Delivery:
    """What a host now has: tree (`code`, `data NAME`) -> its digest. `size_bytes`: what was sent to it from here; what
    other hosts passed on to it is not in it. `error`: why it does not have the rest.
    """

    host: str
    trees: dict[str, str]
    size_bytes: int
    error: JobctlError | None = None


def send(
    config: str | Path,
    inventory: str | Path,
    *,
    hosts: Sequence[str] = (),
    sets: Sequence[str] = (),
    direct: bool = False,
    listener: Listener | None = None,
    announce: Callable[[Delivery], None] = lambda delivery: None,
) -> list[Delivery]:
    """Bring the code and the data of a job to hosts (none named: all of the inventory), so that a submit finds them.

    `direct`: to each from here, never from host to host. Raises InputError; the error of a host is in its delivery.
    """
    tell = listener or Silent()
    written = prepare.load(config, sets)
    targets = load_hosts(inventory, hosts)
    inputs = read_inputs(written, tell)
    done: list[Delivery] = []
    with ExitStack() as stack:
        for delivered in _deliver(stack, targets, inputs, tell, direct):
            for delivery, _ in delivered:
                announce(delivery)
                done.append(delivery)
    return sorted(done, key=lambda delivery: [target.name for target in targets].index(delivery.host))


def submit_each(
    config: str | Path,
    inventory: str | Path,
    *,
    hosts: Sequence[str],
    sets: Sequence[str] = (),
    direct: bool = False,
    bundle: str | Path | None = None,
    listener: Listener | None = None,
    announce: Callable[[Submitted], None] = lambda submitted: None,
    **options: Any,
) -> dict[str, JobctlError]:
    """One run on each of several hosts; `announce` is told of each, one at a time. `options`: the others of `submit`.

    Returns the errors of the hosts without a run. Raises InputError.
    """
    tell = listener or Silent()
    targets = load_hosts(inventory, hosts)
    inputs = read_inputs(prepare.load(config, sets), tell, bundle)
    one_at_a_time = threading.Lock()

    def announced(submitted: Submitted) -> None:
        with one_at_a_time:
            announce(submitted)

    def start(host: Host, channels: dict[str, HostChannel]) -> Submitted:
        own: dict[str, Any] = {"host": host.name, "prepared": Prepared(channels[host.name], inputs)}
        return submit(config, inventory, sets=sets, listener=tell, announce=announced, **own, **options)

    errors: dict[str, JobctlError] = {}
    with ExitStack() as stack:
        for delivered in _deliver(stack, targets, inputs, tell, direct):
            channels = {delivery.host: channel for delivery, channel in delivered if channel and not delivery.error}
            errors.update({delivery.host: delivery.error for delivery, _ in delivered if delivery.error})
            ready = [target for target in targets if target.name in channels]
            for outcome in ask_each(ready, partial(start, channels=channels)):
                if outcome.error:
                    errors[outcome.item.name] = outcome.error
    return errors


def load_hosts(inventory: str | Path, names: Sequence[str]) -> list[Host]:
    """Hosts that are to run something, by name (none: all). Raises InputError and its kinds."""
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError("a host is named twice", where="--host", value=", ".join(sorted(twice)))
    chosen = names or [host.name for host in prepare.load_hosts(inventory)]
    return [prepare.load_host(inventory, name) for name in chosen]


Delivered = list[tuple[Delivery, HostChannel | None]]


def _deliver(
    stack: ExitStack, targets: Sequence[Host], inputs: prepare.Inputs, tell: Listener, direct: bool
) -> Iterator[Delivered]:
    """Connects to all, and brings all trees to those that answer readily, then to the stragglers as they come.

    The channels are open until the stack is closed. What hosts have that came earlier, later ones get from them.
    """
    names = ", ".join(target.name for target in targets)
    tell.note(f"connecting to {names}")
    trees = {"code": inputs.code} if inputs.code else {}
    trees |= {f"data {name}": tree for name, tree in inputs.data.items()}
    trees |= {name: tree for name, tree in (("wheels", inputs.wheels), ("downloads", inputs.downloads)) if tree}
    earlier: list[HostChannel] = []
    for batch in in_batches(targets, lambda target: stack.enter_context(connect(target)), quiet_s=_QUIET_S):
        delivered: Delivered = [
            (Delivery(outcome.item.name, {}, 0, outcome.error), None) for outcome in batch if outcome.error
        ]
        fresh = [outcome.value for outcome in batch if not outcome.error]
        delivered += _bring(fresh, earlier, trees, tell, direct)
        earlier += [channel for delivery, channel in delivered if channel and not delivery.error]
        yield delivered


def _bring(
    fresh: Sequence[HostChannel],
    earlier: Sequence[HostChannel],
    trees: dict[str, TreeSource],
    tell: Listener,
    direct: bool,
) -> Delivered:
    found = {channel.host: Delivery(channel.host, {}, 0) for channel in fresh}
    alive = list(fresh)
    for label, tree in trees.items():
        told = Told(label, tell.note, tell.progress)
        for outcome in send_to_all([*earlier[:1], *alive] if alive else [], tree, told, direct=direct):
            name = outcome.item.host
            if name in found:
                found[name] = _with(found[name], label, outcome)
        alive = [channel for channel in alive if not found[channel.host].error]
    return [(found[channel.host], channel) for channel in fresh]


def _with(delivery: Delivery, label: str, outcome: Outcome[HostChannel, Sent]) -> Delivery:
    if outcome.error:
        return replace(delivery, error=outcome.error)
    trees = {**delivery.trees, label: outcome.value.digest}
    return replace(delivery, trees=trees, size_bytes=delivery.size_bytes + outcome.value.size_bytes)
