"""Doctor: can these hosts run it? One question to each, all at the same time, then checks that are pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobctl.api import prepare
from jobctl.api.deep import examine_deep
from jobctl.api.listener import Listener, Silent
from jobctl.checks.clock import clock_offset
from jobctl.checks.connection import failed_connection, good_connection
from jobctl.checks.model import Check, Facts, Wanted
from jobctl.checks.run import make_checks, not_reached
from jobctl.checks.wanted import make_question
from jobctl.errors import HostError, InputError
from jobctl.remote.answers import Answer
from jobctl.remote.connect import connect
from jobctl.remote.fanout import ask_each
from jobctl.spec.container import size_bytes
from jobctl.spec.inventory import Host

__all__ = ["Check", "Examined", "doctor"]


@dataclass(frozen=True)
class Examined:
    """A host and what every check says of it."""

    host: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        return any(check.verdict == "failed" for check in self.checks)


def doctor(
    inventory: str | Path,
    hosts: Sequence[str] = (),
    *,
    config: str | Path | None = None,
    sets: Sequence[str] = (),
    deep: bool = False,
    listener: Listener | None = None,
) -> tuple[Examined, ...]:
    """Examine hosts of an inventory (none named: all), for what a config wants. A host that cannot be asked is a row.

    Several that are named are to work together: the way from one to the other is examined as well.
    `deep`: also run the framework's own check on each, in the config's environment. Raises InputError and its kinds.
    """
    tell = listener or Silent()
    if sets and config is None:
        raise InputError("--set changes a value of a config, and none was named", value=sets[0], hint="--config CONFIG")
    if deep and config is None:
        raise InputError(
            "the deep check runs in the environment of a config, and none was named", hint="--config CONFIG"
        )
    written = prepare.load(config, sets) if config is not None else None
    names = dict.fromkeys(hosts)
    targets = [prepare.load_host(inventory, name) for name in names] if names else prepare.load_hosts(inventory)
    tell.note(f"examining {', '.join(target.name for target in targets)}")
    found: dict[str, Examined] = {}

    def examine(target: Host) -> Examined:
        peers = [other for other in targets if other.name != target.name and len(names) > 1]
        checks = _examine(target, peers, written, inventory, ask=len(targets) == 1)
        if deep and written and checks[0].verdict == "ok":
            checks += examine_deep(written, target, tell, ask=len(targets) == 1)
        return Examined(target.name, tuple(checks))

    for answer in ask_each(targets, examine):
        found[answer.item.name] = answer.value
        waited_for = [target.name for target in targets if target.name not in found]
        if waited_for:
            tell.note(f"{answer.item.name} is done; waiting for {', '.join(waited_for)}")
    return tuple(found[target.name] for target in targets)


def _examine(
    target: Host, peers: Sequence[Host], written: prepare.Written | None, inventory: str | Path, *, ask: bool
) -> list[Check]:
    job = written.job if written else None
    wanted = Wanted(
        host=target.name,
        runtime=target.runtime,
        shm_bytes=size_bytes(target.container.shm_size),
        job=job,
        config=str(written.config) if written else "",
        inventory=str(inventory),
        cards=job.cards if job and job.device == "npu" else 0,
        several_hosts=bool(peers),
    )
    begun = time.monotonic()
    try:
        with connect(target, ask=ask) as channel:
            connected_s = time.monotonic() - begun
            asked_at = time.time()
            header = channel.call("facts", wanted=make_question(wanted, target, peers)).header
            heard_at = time.time()
            facts = _as_facts(Answer(channel.host, header), asked_at, heard_at)
    except HostError as error:
        known = failed_connection(error, target)
        return [*known, *not_reached(known[-1].name)]
    return [good_connection(target, connected_s), *make_checks(facts, wanted)]


def _as_facts(answer: Answer, asked_at: float, heard_at: float) -> Facts:
    clock = clock_offset(asked_at, answer.time("received_at"), answer.time("answered_at"), heard_at)
    return Facts(answer.table("facts"), clock.offset_s, clock.error_s)
